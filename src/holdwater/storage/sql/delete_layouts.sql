-- the oldest beyond so many bytes
DELETE FROM drawings
WHERE digest IN (
    SELECT digest
    FROM (
        SELECT digest, sum(bytes) OVER (ORDER BY created_at DESC, digest) AS bytes_so_far
        FROM drawings
    ) AS by_age
    WHERE bytes_so_far > :max_bytes
)
