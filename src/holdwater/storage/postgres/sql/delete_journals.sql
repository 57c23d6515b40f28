DELETE FROM journal WHERE run_id = ANY(:ids::TEXT[])
