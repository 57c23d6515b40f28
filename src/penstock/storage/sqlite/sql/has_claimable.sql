SELECT 1
FROM work
WHERE
    owner IS NULL AND parked = 0
    AND due_at <= :due_before
    AND workflow IN (SELECT value FROM json_each(:workflows))
LIMIT 1
