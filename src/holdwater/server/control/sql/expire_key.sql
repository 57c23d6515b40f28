-- never later than it did already
UPDATE api_keys
SET expires_at = least(coalesce(expires_at, :at), :at)
WHERE id = :id
