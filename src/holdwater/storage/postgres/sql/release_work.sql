-- All unowned work of a paused run is parked, so also work that returns to its queue after the pause.  Run rows are
-- locked first, as in commits: an uncommitted pause has read the queue already, so this waits for it and sees it.
WITH locked_runs AS MATERIALIZED (
    SELECT id, status FROM runs WHERE id = ANY(:run_id::TEXT[]) ORDER BY id FOR SHARE
)
UPDATE work
SET
    owner = NULL, lease_until = 0,
    started = CASE WHEN reclaimed IN (1, 2) THEN started ELSE 0 END,
    limit_keys = target.limit_keys,
    parked = CASE WHEN locked_runs.status = 'paused' THEN 1 ELSE 0 END
FROM
    unnest(:run_id::TEXT[], :node::INTEGER[], :fence::BIGINT[], :limit_keys::TEXT[])
    AS target (run_id, node, fence, limit_keys)
JOIN locked_runs ON locked_runs.id = target.run_id
WHERE work.run_id = target.run_id AND work.node = target.node AND work.fence = target.fence AND work.owner = :owner
