INSERT INTO work (run_id, node, fence, kind, workflow, due_at, owner, lease_until, started, reclaimed, parked, limit_keys)
VALUES (
    :run_id, :node, :fence, :kind, :workflow, :due_at, :owner, :lease_until, :started, :reclaimed, :parked,
    :limit_keys
)
