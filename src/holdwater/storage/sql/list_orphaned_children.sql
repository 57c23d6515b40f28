-- unfinished children of ended runs, in the order of the index of unfinished children, which makes the planner use it
SELECT child.id, child.workflow, child.release
FROM runs AS child
JOIN runs AS parent ON parent.id = child.parent_id
WHERE child.parent_id IS NOT NULL AND child.finished_at IS NULL AND parent.finished_at IS NOT NULL
ORDER BY child.parent_id, child.id
