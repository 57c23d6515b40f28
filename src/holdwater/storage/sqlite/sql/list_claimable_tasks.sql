-- whatever their instants, which only order them
SELECT run_id, node, fence, kind, workflow, due_at, owner, lease_until, started, reclaimed, parked, limit_keys
FROM work
WHERE
    owner IS NULL AND parked = 0 AND kind = 'execute' AND limit_keys = :limit_keys
    AND workflow IN (SELECT value FROM json_each(:workflows))
    AND (
        :ancestor_id IS NULL OR run_id = :ancestor_id
        OR substr(run_id, 1, length(:ancestor_id) + 1) = :ancestor_id || '/'
    )
    AND NOT EXISTS (
        SELECT 1
        FROM json_each(:full_nodes)
        WHERE json_extract(value, '$[0]') = work.workflow AND json_extract(value, '$[1]') = work.node
    )
ORDER BY due_at, run_id, node, fence
LIMIT :limit
