-- :upper_bound sorts after all ids that begin with :prefix; children of runs that match too are left out
SELECT id
FROM runs
WHERE id >= :prefix AND id < :upper_bound AND (parent_id IS NULL OR parent_id < :prefix OR parent_id >= :upper_bound)
ORDER BY id
LIMIT :limit
