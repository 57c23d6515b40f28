-- one that somebody else is writing now is passed over: its version is about to be another
SELECT id, version FROM schedules WHERE id = ANY(:ids::TEXT[]) ORDER BY id FOR UPDATE SKIP LOCKED
