DELETE FROM work WHERE run_id = ANY(:ids::TEXT[])
