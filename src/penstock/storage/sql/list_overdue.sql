SELECT id, workflow, deadline_at
FROM runs
WHERE deadline_at <= :before AND deadline_at IS NOT NULL AND finished_at IS NULL
ORDER BY deadline_at, id
