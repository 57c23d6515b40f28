SELECT name, username, description, require_signatures, created_at, created_by
FROM served_tenants
WHERE name = :name AND state = 'active'
