INSERT INTO bulk_chunks (job_id, number, run_ids) VALUES (:job_id, :number, :run_ids)
