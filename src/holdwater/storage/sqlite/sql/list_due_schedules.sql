SELECT
    id, kind, name, workflow, expression, timezone, inputs, enabled, catchup, max_catchup, misfire_grace_us, overlap,
    jitter_us, start_at, end_at, poll_us, allow_concurrent, created_at, updated_at, settled_at, last_at, next_at,
    last_error, version
FROM schedules
WHERE
    enabled = 1 AND kind = :kind AND next_at IS NOT NULL AND next_at <= :before
    AND CASE kind WHEN 'cron' THEN workflow ELSE name END IN (SELECT value FROM json_each(:names))
ORDER BY next_at, id
LIMIT :limit
