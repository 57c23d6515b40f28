-- :top_level_only 1: without children
SELECT status, COUNT(*)
FROM runs
WHERE
    created_at >= :created_since
    AND (CAST(:workflow AS TEXT) IS NULL OR workflow = :workflow)
    AND (CAST(:status AS TEXT) IS NULL OR status = :status)
    AND (CAST(:parent_id AS TEXT) IS NULL OR parent_id = :parent_id)
    AND (CAST(:top_level_only AS INTEGER) = 0 OR parent_id IS NULL)
GROUP BY status
