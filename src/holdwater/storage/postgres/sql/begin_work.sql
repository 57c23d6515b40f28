UPDATE work
SET began = 1
FROM unnest(:run_id::TEXT[], :node::INTEGER[], :fence::BIGINT[]) AS old (run_id, node, fence)
WHERE work.run_id = old.run_id AND work.node = old.node AND work.fence = old.fence
