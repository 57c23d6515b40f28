-- Bodies, whatever their instant, and what needs no slot (timers, nodes with child runs to be seen to) if it is due.
-- The rows as they were; what another runner is about to take is passed over.
WITH bodies AS (
    SELECT run_id, node, fence, kind, workflow, due_at, owner, lease_until, began, orphaned, parked
    FROM work
    WHERE
        owner IS NULL AND parked = 0 AND kind = 'execute' AND workflow = ANY(:workflows::TEXT[])
        AND (:under::TEXT IS NULL OR run_id = :under::TEXT OR starts_with(run_id, :under::TEXT || '/'))
        AND (workflow, node) NOT IN (SELECT * FROM unnest(:full_workflow::TEXT[], :full_node::INTEGER[]))
    ORDER BY due_at, run_id, node, fence
    LIMIT :limit_bodies
    FOR UPDATE SKIP LOCKED
), others AS (
    SELECT run_id, node, fence, kind, workflow, due_at, owner, lease_until, began, orphaned, parked
    FROM work
    WHERE
        owner IS NULL AND parked = 0 AND kind <> 'execute'
        AND due_at <= :due_before AND workflow = ANY(:workflows::TEXT[])
        AND (:under::TEXT IS NULL OR run_id = :under::TEXT OR starts_with(run_id, :under::TEXT || '/'))
    ORDER BY due_at, run_id, node, fence
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
), found AS (
    SELECT * FROM bodies
    UNION ALL
    SELECT * FROM others
)
UPDATE work
SET owner = :owner::TEXT, lease_until = :lease_until
FROM found
WHERE work.run_id = found.run_id AND work.node = found.node AND work.fence = found.fence
RETURNING
    found.run_id, found.node, found.fence, found.kind, found.workflow, found.due_at, found.owner, found.lease_until,
    found.began, found.orphaned, found.parked
