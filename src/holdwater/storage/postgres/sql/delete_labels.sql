DELETE FROM run_labels WHERE run_id = ANY(:ids::TEXT[])
