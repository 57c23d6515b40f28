-- of several that give the same ticket, one gets the row
WITH taken AS (
    DELETE FROM tickets WHERE digest = :digest RETURNING key_id, expires_at
)
SELECT t.expires_at, k.id, k.name, k.role, k.tenant, k.is_god, k.created_at, k.created_by, k.expires_at, k.last_used_at, k.revoked_at, k.revoked_by, k.replaces
FROM taken t
JOIN api_keys k ON k.id = t.key_id
