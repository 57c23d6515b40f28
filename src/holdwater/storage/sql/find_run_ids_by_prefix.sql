-- :upper_bound sorts behind all that begins with :prefix; a child whose parent begins so is meant by nobody
SELECT id
FROM runs
WHERE id >= :prefix AND id < :upper_bound AND (parent_id IS NULL OR parent_id < :prefix OR parent_id >= :upper_bound)
ORDER BY id
LIMIT :limit
