UPDATE work
SET started = 1
FROM unnest(:run_id::TEXT[], :node::INTEGER[], :fence::BIGINT[]) AS target (run_id, node, fence)
WHERE work.run_id = target.run_id AND work.node = target.node AND work.fence = target.fence
