-- The id of a fanned-out child ends in its place in its parent, which is common to many: these are named by their whole id.
SELECT id
FROM runs
WHERE (parent_id IS NULL OR REPLACE(id, '/', '') = id) AND SUBSTR(id, LENGTH(id) - LENGTH(CAST(:suffix AS TEXT)) + 1) = :suffix
ORDER BY id
LIMIT :limit
