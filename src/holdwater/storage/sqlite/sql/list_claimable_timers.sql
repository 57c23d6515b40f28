-- timers, and nodes with child runs to be seen to: what needs no slot
SELECT run_id, node, fence, kind, workflow, due_at, owner, lease_until, started, reclaimed, parked, limit_keys
FROM work
WHERE
    owner IS NULL AND parked = 0 AND kind <> 'execute'
    AND due_at <= :due_before
    AND workflow IN (SELECT value FROM json_each(:workflows))
    AND (
        :ancestor_id IS NULL OR run_id = :ancestor_id
        OR substr(run_id, 1, length(:ancestor_id) + 1) = :ancestor_id || '/'
    )
ORDER BY due_at, run_id, node, fence
LIMIT :limit
