-- Task attempts, whatever their due_at, and work that needs no slot (timers, nodes with child runs) if it is due.
-- Returns the rows as they were before.  SKIP LOCKED: rows that another runner is claiming.
WITH tasks AS (
    SELECT run_id, node, fence, kind, workflow, due_at, owner, lease_until, started, reclaimed, parked
    FROM work
    WHERE
        owner IS NULL AND parked = 0 AND kind = 'execute' AND workflow = ANY(:workflows::TEXT[])
        AND (
            :ancestor_id::TEXT IS NULL OR run_id = :ancestor_id::TEXT
            OR starts_with(run_id, :ancestor_id::TEXT || '/')
        )
        AND (workflow, node) NOT IN (SELECT * FROM unnest(:full_workflow::TEXT[], :full_node::INTEGER[]))
    ORDER BY due_at, run_id, node, fence
    LIMIT :limit_tasks
    FOR UPDATE SKIP LOCKED
), timers AS (
    SELECT run_id, node, fence, kind, workflow, due_at, owner, lease_until, started, reclaimed, parked
    FROM work
    WHERE
        owner IS NULL AND parked = 0 AND kind <> 'execute'
        AND due_at <= :due_before AND workflow = ANY(:workflows::TEXT[])
        AND (
            :ancestor_id::TEXT IS NULL OR run_id = :ancestor_id::TEXT
            OR starts_with(run_id, :ancestor_id::TEXT || '/')
        )
    ORDER BY due_at, run_id, node, fence
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
), claimed AS (
    SELECT * FROM tasks
    UNION ALL
    SELECT * FROM timers
)
UPDATE work
SET owner = :owner::TEXT, lease_until = :lease_until
FROM claimed
WHERE work.run_id = claimed.run_id AND work.node = claimed.node AND work.fence = claimed.fence
RETURNING
    claimed.run_id, claimed.node, claimed.fence, claimed.kind, claimed.workflow, claimed.due_at, claimed.owner,
    claimed.lease_until, claimed.started, claimed.reclaimed, claimed.parked
