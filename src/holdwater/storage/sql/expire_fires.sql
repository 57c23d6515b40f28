UPDATE schedule_executions
SET
    open = 0,
    reason = CASE WHEN state = 'failed' THEN reason ELSE CAST(:reason AS TEXT) END,
    state = CASE WHEN state = 'failed' THEN 'failed' ELSE 'skipped' END
WHERE open = 2 AND scheduled_at < :oldest
