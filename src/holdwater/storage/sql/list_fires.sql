SELECT
    f.schedule_id, f.scheduled_at, f.state, f.claimed_at, f.run_id, f.reason, f.context_hash, f.attempts,
    r.status, r.created_at, r.finished_at, r.error
FROM schedule_executions AS f
LEFT JOIN runs AS r ON r.id = f.run_id
WHERE f.schedule_id = :schedule_id
ORDER BY f.scheduled_at DESC
LIMIT :limit OFFSET :offset
