WITH RECURSIVE family (root, id) AS (
    SELECT id, id FROM runs WHERE id = ANY(:ids::TEXT[])
    UNION ALL
    SELECT family.root, runs.id FROM family JOIN runs ON runs.parent_id = family.id
)
SELECT root, id FROM family
