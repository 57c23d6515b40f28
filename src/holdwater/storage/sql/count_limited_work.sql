-- tasks that are leased, and tasks that wait, by their keys; those of paused runs do neither
SELECT limit_keys, 1 AS is_held, count(*)
FROM work
WHERE owner IS NOT NULL AND limit_keys <> ''
GROUP BY limit_keys
UNION ALL
SELECT limit_keys, 0, count(*)
FROM work
WHERE owner IS NULL AND parked = 0 AND kind = 'execute' AND limit_keys > ''
GROUP BY limit_keys
