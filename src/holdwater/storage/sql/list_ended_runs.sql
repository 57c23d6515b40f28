SELECT finished_at, id
FROM runs
WHERE
    parent_id IS NULL AND finished_at IS NOT NULL
    AND finished_at < :before
    AND (finished_at, id) > (:ended_after, :after)
ORDER BY finished_at, id
LIMIT :limit
