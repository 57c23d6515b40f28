SELECT schedule_id, scheduled_at, state, claimed_at, run_id, reason, context_hash, attempts
FROM schedule_executions
WHERE phase = 2 AND schedule_id = :schedule_id AND state = 'queued'
ORDER BY scheduled_at
