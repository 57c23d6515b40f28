SELECT count(*)
FROM api_keys
WHERE is_god AND id <> :id AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :now)
