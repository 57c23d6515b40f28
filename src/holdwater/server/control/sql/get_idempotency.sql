SELECT request, status, response
FROM idempotency
WHERE key_id = :key_id AND key = :key
