SELECT run_id, seq, at, entries FROM journal WHERE run_id IN (SELECT value FROM json_each(:ids)) ORDER BY run_id, seq
