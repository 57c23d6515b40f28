-- Task attempts, whatever their due_at, and work that needs no slot (timers, nodes with child runs) if it is due.
-- Returns the rows as they were before.  SKIP LOCKED: rows that another runner is claiming.
-- limit_keys <= '' (there is nothing below that): only one index has the rows in this order, whatever the statistics say.
-- While any task with limits waits, no tasks are claimed here: one row of the kind 'limited' says so.
WITH limited AS MATERIALIZED (
    SELECT 1 AS found
    FROM work
    WHERE owner IS NULL AND parked = 0 AND kind = 'execute' AND limit_keys > '' AND :limit_tasks::BIGINT > 0
    LIMIT 1
), tasks AS (
    SELECT run_id, node, fence, kind, workflow, due_at, owner, lease_until, started, reclaimed, parked, limit_keys
    FROM work
    WHERE
        owner IS NULL AND parked = 0 AND kind = 'execute' AND limit_keys <= '' AND NOT EXISTS (SELECT 1 FROM limited)
        AND workflow = ANY(:workflows::TEXT[])
        AND (
            :ancestor_id::TEXT IS NULL OR run_id = :ancestor_id::TEXT
            OR starts_with(run_id, :ancestor_id::TEXT || '/')
        )
        AND (workflow, node) NOT IN (SELECT * FROM unnest(:full_workflow::TEXT[], :full_node::INTEGER[]))
    ORDER BY limit_keys, due_at, run_id, node, fence
    LIMIT :limit_tasks::BIGINT
    FOR UPDATE SKIP LOCKED
), timers AS (
    SELECT run_id, node, fence, kind, workflow, due_at, owner, lease_until, started, reclaimed, parked, limit_keys
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
), leased AS (
    UPDATE work
    SET owner = :owner::TEXT, lease_until = :lease_until
    FROM claimed
    WHERE work.run_id = claimed.run_id AND work.node = claimed.node AND work.fence = claimed.fence
    RETURNING
        claimed.run_id, claimed.node, claimed.fence, claimed.kind, claimed.workflow, claimed.due_at, claimed.owner,
        claimed.lease_until, claimed.started, claimed.reclaimed, claimed.parked, claimed.limit_keys
)
SELECT * FROM leased
UNION ALL
SELECT '', 0, 0, 'limited', '', 0, NULL, 0, 0::SMALLINT, 0::SMALLINT, 0::SMALLINT, '' FROM limited
