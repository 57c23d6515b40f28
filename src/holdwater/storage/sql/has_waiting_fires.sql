SELECT 1 FROM schedule_executions WHERE phase = 2 LIMIT 1
