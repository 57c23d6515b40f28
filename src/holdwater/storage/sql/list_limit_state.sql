-- The limits, the tasks that hold places in them, and the sets of keys of the tasks that wait, each found by one step in
-- the index.
WITH RECURSIVE waiting (limit_keys) AS (
    SELECT min(limit_keys) FROM work WHERE owner IS NULL AND parked = 0 AND kind = 'execute'
    UNION ALL
    SELECT (
        SELECT min(limit_keys)
        FROM work
        WHERE owner IS NULL AND parked = 0 AND kind = 'execute' AND limit_keys > waiting.limit_keys
    )
    FROM waiting
    WHERE waiting.limit_keys IS NOT NULL
)
SELECT 'limit' AS kind, key AS limit_keys, max_running AS number FROM concurrency_limits
UNION ALL
SELECT 'held', limit_keys, count(*) FROM work WHERE owner IS NOT NULL AND limit_keys <> '' GROUP BY limit_keys
UNION ALL
SELECT 'waiting', limit_keys, 0 FROM waiting WHERE limit_keys IS NOT NULL
