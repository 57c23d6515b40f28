DELETE FROM work WHERE run_id = :run_id AND node = :node AND fence = :fence
