SELECT f.schedule_id, f.context_hash
FROM schedule_executions AS f
JOIN runs AS r ON r.id = f.run_id
WHERE f.open = 1 AND r.finished_at IS NULL AND f.schedule_id IN (SELECT value FROM json_each(:schedule_ids))
UNION ALL
SELECT schedule_id, context_hash
FROM schedule_executions
WHERE open = 2 AND state = 'queued' AND schedule_id IN (SELECT value FROM json_each(:schedule_ids))
