SELECT id, version FROM schedules WHERE id IN (SELECT value FROM json_each(:ids))
