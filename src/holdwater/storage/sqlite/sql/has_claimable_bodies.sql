-- whatever their instants, which only order them
SELECT 1
FROM work
WHERE
    owner IS NULL AND parked = 0 AND kind = 'execute'
    AND workflow IN (SELECT value FROM json_each(:workflows))
    AND (:under IS NULL OR run_id = :under OR substr(run_id, 1, length(:under) + 1) = :under || '/')
    AND NOT EXISTS (
        SELECT 1
        FROM json_each(:passed_over)
        WHERE json_extract(value, '$[0]') = work.workflow AND json_extract(value, '$[1]') = work.node
    )
LIMIT 1
