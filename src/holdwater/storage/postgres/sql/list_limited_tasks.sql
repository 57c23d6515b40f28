-- The first tasks of each set of keys, so many as may have room.  BETWEEN: only one index has the rows in this order, so
-- no other is taken, whatever the statistics say.
SELECT
    task.run_id, task.node, task.fence, task.kind, task.workflow, task.due_at, task.owner, task.lease_until, task.started,
    task.reclaimed, task.parked, task.limit_keys
FROM unnest(:limit_keys::TEXT[], :room::BIGINT[]) AS wanted (limit_keys, room)
CROSS JOIN LATERAL (
    SELECT *
    FROM work
    WHERE
        owner IS NULL AND parked = 0 AND kind = 'execute'
        AND work.limit_keys BETWEEN wanted.limit_keys AND wanted.limit_keys
        AND workflow = ANY(:workflows::TEXT[])
        AND (
            :ancestor_id::TEXT IS NULL OR run_id = :ancestor_id::TEXT
            OR starts_with(run_id, :ancestor_id::TEXT || '/')
        )
        AND (workflow, node) NOT IN (SELECT * FROM unnest(:full_workflow::TEXT[], :full_node::INTEGER[]))
    ORDER BY work.limit_keys, due_at, run_id, node, fence
    LIMIT wanted.room
) AS task
