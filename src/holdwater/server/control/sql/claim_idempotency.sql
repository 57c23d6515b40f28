-- gives a row if the request is to be executed: it is new, older than a day, or was left behind by a process that died
INSERT INTO idempotency (key_id, key, request, created_at)
VALUES (:key_id, :key, :request, :now)
ON CONFLICT (key_id, key) DO UPDATE
SET request = excluded.request, status = NULL, response = NULL, created_at = excluded.created_at
WHERE idempotency.created_at < :kept_since
    OR (idempotency.status IS NULL AND idempotency.created_at < :running_since AND idempotency.request = excluded.request)
RETURNING 1
