WITH RECURSIVE descendants (root_id, run_id) AS (
    SELECT id, id FROM runs WHERE id = ANY(:ids::TEXT[])
    UNION ALL
    SELECT descendants.root_id, runs.id FROM descendants JOIN runs ON runs.parent_id = descendants.run_id
)
SELECT root_id, run_id FROM descendants
