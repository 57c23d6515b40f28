INSERT OR IGNORE INTO run_log_sizes (run_id, lines, bytes)
SELECT id, 0, 0 FROM runs WHERE id IN (SELECT value FROM json_each(:ids))
