SELECT fire.schedule_id, fire.context_hash
FROM schedule_executions AS fire
JOIN runs AS run ON run.id = fire.run_id
WHERE fire.phase = 1 AND run.finished_at IS NULL AND fire.schedule_id = ANY(:schedule_ids::TEXT[])
UNION ALL
SELECT schedule_id, context_hash
FROM schedule_executions
WHERE phase = 2 AND state = 'queued' AND schedule_id = ANY(:schedule_ids::TEXT[])
