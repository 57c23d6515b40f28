INSERT INTO concurrency_limits (key, max_running, set_by, set_at)
VALUES (:key, :max_running, :set_by, :set_at)
ON CONFLICT (key) DO UPDATE
SET max_running = excluded.max_running, set_by = excluded.set_by, set_at = excluded.set_at
