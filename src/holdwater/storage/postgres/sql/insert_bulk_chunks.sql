INSERT INTO bulk_chunks (job_id, number, run_ids)
SELECT job_id, number, run_ids
FROM unnest(:job_ids::TEXT[], :numbers::INTEGER[], :run_ids::TEXT[]) AS chunk (job_id, number, run_ids)
