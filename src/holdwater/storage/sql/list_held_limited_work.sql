SELECT run_id, node, fence, kind, workflow, due_at, owner, lease_until, started, reclaimed, parked, limit_keys
FROM work
WHERE owner IS NOT NULL AND limit_keys <> ''
ORDER BY due_at, run_id, node, fence
LIMIT :limit
