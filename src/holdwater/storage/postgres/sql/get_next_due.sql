SELECT next_at
FROM schedules
WHERE
    enabled = 1 AND kind = :kind AND next_at IS NOT NULL
    AND CASE kind WHEN 'cron' THEN workflow ELSE name END = ANY(:names::TEXT[])
ORDER BY next_at, id
LIMIT 1
