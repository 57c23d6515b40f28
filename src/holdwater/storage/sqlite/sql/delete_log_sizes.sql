DELETE FROM run_log_sizes WHERE run_id IN (SELECT value FROM json_each(:ids))
