SELECT name, style, structure, code, descriptor, NULL AS nodes, release, registered_at, seen_at
FROM workflows
WHERE name > :after
ORDER BY name
LIMIT :count
