WITH RECURSIVE family (root, id, finished_at) AS (
    SELECT id, id, finished_at FROM runs WHERE id IN (SELECT value FROM json_each(:ids))
    UNION ALL
    SELECT family.root, runs.id, runs.finished_at FROM family JOIN runs ON runs.parent_id = family.id
)
SELECT root, id, finished_at FROM family
