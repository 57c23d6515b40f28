UPDATE idempotency
SET status = :status, response = :response
WHERE key_id = :key_id AND key = :key AND request = :request
