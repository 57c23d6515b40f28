UPDATE work SET began = 1 WHERE run_id = :run_id AND node = :node AND fence = :fence
