DELETE FROM idempotency
WHERE key_id = :key_id AND key = :key AND request = :request AND status IS NULL
