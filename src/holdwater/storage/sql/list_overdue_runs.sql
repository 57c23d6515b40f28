-- What a runner holds work of is left to that runner, which knows best what time it is there.
SELECT id, workflow, deadline_at
FROM runs
WHERE deadline_at <= :before AND deadline_at IS NOT NULL AND finished_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM work WHERE work.run_id = runs.id AND work.owner IS NOT NULL)
ORDER BY deadline_at, id
