DELETE FROM concurrency_limits WHERE key = :key
