-- The instant at which an engine has something to do in this schema, and what is ready now: work that stays ready
-- although an engine is awake is not for that engine.
WITH ready AS (
    SELECT due_at
    FROM work
    WHERE owner IS NULL AND parked = 0 AND kind = 'execute'
    ORDER BY due_at
    LIMIT 1000
)
SELECT
    (SELECT name FROM notify_channel),
    (
        SELECT min(at)
        FROM (
            SELECT min(due_at) AS at FROM ready
            UNION ALL
            SELECT min(due_at) FROM work WHERE owner IS NULL AND parked = 0 AND kind <> 'execute'
            UNION ALL
            SELECT min(lease_until) FROM work WHERE owner IS NOT NULL
            UNION ALL
            SELECT min(next_at) FROM schedules WHERE enabled = 1 AND next_at IS NOT NULL AND kind = 'cron'
            UNION ALL
            SELECT min(next_at) FROM schedules WHERE enabled = 1 AND next_at IS NOT NULL AND kind <> 'cron'
            UNION ALL
            SELECT min(deadline_at) FROM runs WHERE deadline_at IS NOT NULL AND finished_at IS NULL
            UNION ALL
            SELECT min(claimed_at) FROM schedule_executions WHERE phase = 2
            UNION ALL
            SELECT min(created_at) FROM bulk_jobs WHERE state = 'running'
        ) AS instants
    ),
    (SELECT count(*) FROM ready),
    (SELECT max(due_at) FROM ready)
