DELETE FROM work WHERE run_id IN (SELECT value FROM json_each(:ids))
