-- in the order of keys, so that two writers cannot deadlock
INSERT INTO run_log_sizes (run_id, lines, bytes)
SELECT id, 0, 0 FROM runs WHERE id = ANY(:ids::TEXT[]) ORDER BY id
ON CONFLICT (run_id) DO UPDATE SET lines = run_log_sizes.lines
RETURNING run_id, lines, bytes
