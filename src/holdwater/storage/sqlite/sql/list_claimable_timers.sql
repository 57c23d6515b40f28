-- timers, and nodes with child runs to be seen to: what needs no slot
SELECT run_id, node, fence, kind, workflow, due_at, owner, lease_until, began, orphaned, parked
FROM work
WHERE
    owner IS NULL AND parked = 0 AND kind <> 'execute'
    AND due_at <= :due_before
    AND workflow IN (SELECT value FROM json_each(:workflows))
    AND (:under IS NULL OR run_id = :under OR substr(run_id, 1, length(:under) + 1) = :under || '/')
ORDER BY due_at, run_id, node, fence
LIMIT :limit
