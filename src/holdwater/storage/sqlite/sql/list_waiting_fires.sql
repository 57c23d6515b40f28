SELECT f.schedule_id, f.scheduled_at, f.state, f.claimed_at, f.run_id, f.reason, f.context_hash, f.attempts
FROM schedule_executions AS f
JOIN schedules AS s ON s.id = f.schedule_id
WHERE
    f.open = 2 AND s.workflow IN (SELECT value FROM json_each(:names))
    AND (
        f.state = 'asked'
        OR (
            f.state = 'failed' AND f.attempts < :attempts AND f.claimed_at <= :tried_before
            AND f.scheduled_at >= :oldest
        )
        OR (
            f.state = 'queued' AND s.enabled = 1
            AND NOT EXISTS (
                SELECT 1
                FROM schedule_executions AS g
                JOIN runs AS r ON r.id = g.run_id
                WHERE g.open = 1 AND g.schedule_id = f.schedule_id AND r.finished_at IS NULL
            )
            AND NOT EXISTS (
                SELECT 1
                FROM schedule_executions AS e
                WHERE
                    e.open = 2 AND e.schedule_id = f.schedule_id AND e.state = 'queued'
                    AND e.scheduled_at < f.scheduled_at
            )
        )
    )
ORDER BY f.schedule_id, f.scheduled_at
LIMIT :limit
