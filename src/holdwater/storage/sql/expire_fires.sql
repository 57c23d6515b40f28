UPDATE schedule_executions
SET
    phase = 0,
    reason = CASE WHEN state = 'failed' THEN reason ELSE CAST(:reason AS TEXT) END,
    state = CASE WHEN state = 'failed' THEN 'failed' ELSE 'skipped' END
WHERE phase = 2 AND scheduled_at < :oldest
