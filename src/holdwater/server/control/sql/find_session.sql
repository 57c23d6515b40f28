SELECT s.is_read_only, s.created_at, s.used_at, k.id, k.name, k.role, k.tenant, k.is_god, k.created_at, k.created_by, k.expires_at, k.last_used_at, k.revoked_at, k.revoked_by, k.replaces
FROM sessions s
JOIN api_keys k ON k.id = s.key_id
WHERE s.digest = :digest
