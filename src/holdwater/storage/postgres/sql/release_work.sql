-- What goes back to the queue of a run paused meanwhile is parked, as everything unowned of it is.  Heads first, as
-- commits do: a pause that is not on disk yet has looked at the queue already, so this waits and sees it.
WITH heads AS MATERIALIZED (
    SELECT id, status FROM runs WHERE id = ANY(:run_id::TEXT[]) ORDER BY id FOR SHARE
)
UPDATE work
SET owner = NULL, lease_until = 0, began = CASE WHEN orphaned IN (1, 2) THEN began ELSE 0 END, parked = CASE WHEN heads.status = 'paused' THEN 1 ELSE 0 END
FROM unnest(:run_id::TEXT[], :node::INTEGER[], :fence::BIGINT[]) AS old (run_id, node, fence)
JOIN heads ON heads.id = old.run_id
WHERE work.run_id = old.run_id AND work.node = old.node AND work.fence = old.fence AND work.owner = :owner
