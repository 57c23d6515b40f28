SELECT
    fire.schedule_id, fire.scheduled_at, fire.state, fire.claimed_at, fire.run_id, fire.reason, fire.context_hash,
    fire.attempts, run.status, run.created_at, run.finished_at, run.error
FROM schedule_executions AS fire
LEFT JOIN runs AS run ON run.id = fire.run_id
WHERE fire.schedule_id = :schedule_id
ORDER BY fire.scheduled_at DESC
LIMIT :limit OFFSET :offset
