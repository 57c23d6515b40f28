SELECT id, name, role, tenant, is_god, created_at, created_by, expires_at, last_used_at, revoked_at, revoked_by, replaces
FROM api_keys
WHERE digest = :digest
