SELECT COUNT(*)
FROM (
    SELECT 1
    FROM runs
    WHERE release = :release AND release IS NOT NULL AND finished_at IS NULL
    LIMIT :limit
) AS open_runs
