-- SKIP LOCKED: the version of a schedule that another transaction is writing is about to change
SELECT id, version FROM schedules WHERE id = ANY(:ids::TEXT[]) ORDER BY id FOR UPDATE SKIP LOCKED
