UPDATE schedule_executions
SET phase = 0
WHERE phase = 1 AND NOT EXISTS (SELECT 1 FROM runs WHERE id = schedule_executions.run_id AND finished_at IS NULL)
