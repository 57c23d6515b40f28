DELETE FROM schedule_executions WHERE schedule_id = :schedule_id
