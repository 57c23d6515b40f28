SELECT 1 FROM schedule_executions WHERE open = 2 LIMIT 1
