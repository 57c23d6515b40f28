DELETE FROM bulk_chunks WHERE job_id = :job_id AND number = :number
