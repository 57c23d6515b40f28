WITH RECURSIVE descendants (root_id, run_id, finished_at) AS (
    SELECT id, id, finished_at FROM runs WHERE id IN (SELECT value FROM json_each(:ids))
    UNION ALL
    SELECT descendants.root_id, runs.id, runs.finished_at
    FROM descendants
    JOIN runs ON runs.parent_id = descendants.run_id
)
SELECT root_id, run_id, finished_at FROM descendants
