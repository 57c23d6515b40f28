UPDATE api_keys
SET revoked_at = :at, revoked_by = :by
WHERE NOT is_god AND coalesce(tenant, 'public') = :tenant AND revoked_at IS NULL
RETURNING id
