SELECT
    COUNT(*),
    COUNT(CASE WHEN r.status = 'completed' THEN 1 END),
    COUNT(r.finished_at),
    COUNT(CASE WHEN f.run_id IS NULL AND f.claimed_at < :lost_before THEN 1 END)
FROM schedule_executions AS f
JOIN schedules AS s ON s.id = f.schedule_id
LEFT JOIN runs AS r ON r.id = f.run_id
WHERE s.kind = 'cron' AND f.state <> 'skipped' AND f.claimed_at >= :since
