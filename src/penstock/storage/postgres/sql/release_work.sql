-- what goes back to the queue of a run paused meanwhile is parked, as everything unowned of it is
UPDATE work
SET
    owner = NULL, lease_until = 0,
    parked = CASE WHEN EXISTS (SELECT 1 FROM runs WHERE id = work.run_id AND status = 'paused') THEN 1 ELSE 0 END
FROM unnest(:run_id::TEXT[], :node::INTEGER[], :fence::BIGINT[]) AS old (run_id, node, fence)
WHERE work.run_id = old.run_id AND work.node = old.node AND work.fence = old.fence AND work.owner = :owner
