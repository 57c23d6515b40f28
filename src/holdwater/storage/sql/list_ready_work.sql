SELECT run_id, node, fence, kind, workflow, due_at, owner, lease_until, started, reclaimed, parked, limit_keys
FROM work
WHERE owner IS NULL AND parked = 0 AND kind = 'execute'
ORDER BY due_at, run_id, node, fence
LIMIT :limit
