SELECT name, style, structure, code, descriptor, nodes, release, registered_at, seen_at
FROM workflows
WHERE name = :name
