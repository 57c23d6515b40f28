DELETE FROM run_logs WHERE run_id IN (SELECT value FROM json_each(:ids))
