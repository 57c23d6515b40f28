INSERT INTO drawings (digest, layout_format, created_at, bytes, layout)
VALUES (:digest, :layout_format, :created_at, :bytes, :layout)
ON CONFLICT (digest) DO UPDATE
SET layout_format = excluded.layout_format,
    created_at = excluded.created_at,
    bytes = excluded.bytes,
    layout = excluded.layout
WHERE drawings.layout_format <> excluded.layout_format
