INSERT INTO questions (run_id, node, fence, asked_at)
SELECT *
FROM unnest(:run_id::TEXT[], :node::INTEGER[], :fence::BIGINT[], :asked_at::BIGINT[])
ON CONFLICT (run_id, node) DO UPDATE SET fence = excluded.fence, asked_at = excluded.asked_at
