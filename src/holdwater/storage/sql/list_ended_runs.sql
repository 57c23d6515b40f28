SELECT finished_at, id, status, labels_json
FROM runs
WHERE
    parent_id IS NULL AND finished_at IS NOT NULL
    AND finished_at < :finished_before
    AND (finished_at, id) > (:finished_after, :after_id)
ORDER BY finished_at, id
LIMIT :limit
