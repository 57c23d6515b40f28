DELETE FROM questions WHERE run_id = :run_id AND node = :node
