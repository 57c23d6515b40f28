SELECT number, run_ids FROM bulk_chunks WHERE job_id = :job_id ORDER BY number LIMIT 1
