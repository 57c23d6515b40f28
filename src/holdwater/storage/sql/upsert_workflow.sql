INSERT INTO workflows (
    name, style, structure, code, descriptor, nodes, digest, release, registered_at, seen_at
)
VALUES (
    :name, :style, :structure, :code, :descriptor, :nodes, :digest, :release, :registered_at, :seen_at
)
ON CONFLICT (name) DO UPDATE SET
    style = excluded.style,
    structure = excluded.structure,
    code = excluded.code,
    descriptor = excluded.descriptor,
    nodes = excluded.nodes,
    digest = excluded.digest,
    release = excluded.release,
    seen_at = excluded.seen_at
