DELETE FROM run_labels WHERE run_id IN (SELECT value FROM json_each(:ids))
