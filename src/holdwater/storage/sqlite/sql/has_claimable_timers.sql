-- timers, and nodes with child runs to be seen to: what needs no slot
SELECT 1
FROM work
WHERE
    owner IS NULL AND parked = 0 AND kind <> 'execute'
    AND due_at <= :due_before
    AND workflow IN (SELECT value FROM json_each(:workflows))
    AND (:under IS NULL OR run_id = :under OR substr(run_id, 1, length(:under) + 1) = :under || '/')
LIMIT 1
