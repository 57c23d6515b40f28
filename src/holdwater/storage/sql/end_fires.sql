UPDATE schedule_executions
SET open = 0
WHERE open = 1 AND NOT EXISTS (SELECT 1 FROM runs WHERE id = schedule_executions.run_id AND finished_at IS NULL)
