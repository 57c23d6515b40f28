SELECT name, username, description, require_signatures, created_at, created_by
FROM served_tenants
WHERE state = 'active' AND name > :after
ORDER BY name
LIMIT :limit
