UPDATE run_log_sizes SET lines = :lines, bytes = :bytes WHERE run_id = :run_id
