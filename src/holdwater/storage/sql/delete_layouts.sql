-- the oldest beyond so many bytes
DELETE FROM drawings
WHERE structure IN (
    SELECT structure
    FROM (
        SELECT structure, sum(bytes) OVER (ORDER BY created_at DESC, structure) AS bytes_so_far
        FROM drawings
    ) AS by_age
    WHERE bytes_so_far > :max_bytes
)
