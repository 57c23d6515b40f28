SELECT run_id, node, fence, kind, workflow, due_at, owner, lease_until, started, reclaimed, parked, limit_keys
FROM work
WHERE run_id = :run_id
ORDER BY node, fence
