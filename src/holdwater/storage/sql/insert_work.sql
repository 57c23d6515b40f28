INSERT INTO work (run_id, node, fence, kind, workflow, due_at, owner, lease_until, started, reclaimed, parked)
VALUES (
    :run_id, :node, :fence, :kind, :workflow, :due_at, :owner, :lease_until, :started, :reclaimed, :parked
)
