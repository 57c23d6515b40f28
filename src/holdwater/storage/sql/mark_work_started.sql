UPDATE work SET started = 1 WHERE run_id = :run_id AND node = :node AND fence = :fence
