INSERT INTO drawings (structure, layout_format, created_at, bytes, layout)
VALUES (:structure, :layout_format, :created_at, :bytes, :layout)
ON CONFLICT (structure) DO UPDATE
SET layout_format = excluded.layout_format,
    created_at = excluded.created_at,
    bytes = excluded.bytes,
    layout = excluded.layout
WHERE drawings.layout_format <> excluded.layout_format
