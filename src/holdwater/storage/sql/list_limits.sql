SELECT key, max_running, set_by, set_at FROM concurrency_limits ORDER BY key
