-- without a tenant: all keys
SELECT id, name, role, tenant, is_god, created_at, created_by, expires_at, last_used_at, revoked_at, revoked_by, replaces
FROM api_keys
WHERE (:tenant::TEXT IS NULL OR (NOT is_god AND coalesce(tenant, 'public') = :tenant))
    AND (created_at, id) > (:after_at::BIGINT, :after_id::TEXT)
ORDER BY created_at, id
LIMIT :limit
