INSERT INTO work (run_id, node, fence, kind, workflow, due_at, owner, lease_until, started, reclaimed, parked, limit_keys)
SELECT *
FROM unnest(
    :run_id::TEXT[], :node::INTEGER[], :fence::BIGINT[], :kind::TEXT[], :workflow::TEXT[], :due_at::BIGINT[],
    :owner::TEXT[], :lease_until::BIGINT[], :started::SMALLINT[], :reclaimed::SMALLINT[], :parked::SMALLINT[],
    :limit_keys::TEXT[]
)
