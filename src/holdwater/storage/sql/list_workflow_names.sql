-- Names of workflows that have runs, each found by one step in the index.
WITH RECURSIVE top_level (name) AS (
    SELECT MIN(workflow) FROM runs WHERE parent_id IS NULL
    UNION ALL
    SELECT (SELECT MIN(workflow) FROM runs WHERE parent_id IS NULL AND workflow > top_level.name)
    FROM top_level
    WHERE top_level.name IS NOT NULL
), children (name) AS (
    SELECT MIN(workflow) FROM runs WHERE parent_id IS NOT NULL
    UNION ALL
    SELECT (SELECT MIN(workflow) FROM runs WHERE parent_id IS NOT NULL AND workflow > children.name)
    FROM children
    WHERE children.name IS NOT NULL
)
SELECT name FROM top_level WHERE name IS NOT NULL
UNION
SELECT name FROM children WHERE name IS NOT NULL
