-- A run of which a runner holds work is left to that runner and its clock.
SELECT id, workflow, release, deadline_at
FROM runs
WHERE deadline_at <= :before AND deadline_at IS NOT NULL AND finished_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM work WHERE work.run_id = runs.id AND work.owner IS NOT NULL)
ORDER BY deadline_at, id
