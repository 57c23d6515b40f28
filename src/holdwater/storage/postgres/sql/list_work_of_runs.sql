SELECT run_id, node, fence, kind, workflow, due_at, owner, lease_until, started, reclaimed, parked, limit_keys
FROM work
WHERE run_id = ANY(:ids::TEXT[])
ORDER BY run_id, node, fence
