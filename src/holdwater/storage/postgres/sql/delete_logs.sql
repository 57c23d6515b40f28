-- their lines go with the rows of their sizes
DELETE FROM run_log_sizes WHERE run_id = ANY(:ids::TEXT[])
