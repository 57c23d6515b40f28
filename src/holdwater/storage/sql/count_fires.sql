SELECT
    COUNT(*),
    COUNT(CASE WHEN run.status = 'completed' THEN 1 END),
    COUNT(run.finished_at),
    COUNT(CASE WHEN fire.run_id IS NULL AND fire.claimed_at < :lost_before THEN 1 END)
FROM schedule_executions AS fire
JOIN schedules AS schedule ON schedule.id = fire.schedule_id
LEFT JOIN runs AS run ON run.id = fire.run_id
WHERE schedule.kind = 'cron' AND fire.state <> 'skipped' AND fire.claimed_at >= :since
