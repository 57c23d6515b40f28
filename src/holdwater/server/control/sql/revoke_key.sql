UPDATE api_keys
SET revoked_at = :at, revoked_by = :by
WHERE id = :id AND revoked_at IS NULL
