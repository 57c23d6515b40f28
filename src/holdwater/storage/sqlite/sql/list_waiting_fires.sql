SELECT
    fire.schedule_id, fire.scheduled_at, fire.state, fire.claimed_at, fire.run_id, fire.reason, fire.context_hash,
    fire.attempts
FROM schedule_executions AS fire
JOIN schedules AS schedule ON schedule.id = fire.schedule_id
WHERE
    fire.phase = 2 AND schedule.workflow IN (SELECT value FROM json_each(:names))
    AND (
        fire.state = 'requested'
        OR (
            fire.state = 'failed' AND fire.attempts < :attempts AND fire.claimed_at <= :tried_before
            AND fire.scheduled_at >= :oldest
        )
        OR (
            fire.state = 'queued' AND schedule.enabled = 1
            AND NOT EXISTS (
                SELECT 1
                FROM schedule_executions AS running
                JOIN runs AS run ON run.id = running.run_id
                WHERE running.phase = 1 AND running.schedule_id = fire.schedule_id AND run.finished_at IS NULL
            )
            AND NOT EXISTS (
                SELECT 1
                FROM schedule_executions AS earlier
                WHERE
                    earlier.phase = 2 AND earlier.schedule_id = fire.schedule_id AND earlier.state = 'queued'
                    AND earlier.scheduled_at < fire.scheduled_at
            )
        )
    )
ORDER BY fire.schedule_id, fire.scheduled_at
LIMIT :limit
