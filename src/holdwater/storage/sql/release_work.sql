-- what goes back to the queue of a run paused meanwhile is parked, as everything unowned of it is
UPDATE work
SET
    owner = NULL, lease_until = 0, started = CASE WHEN reclaimed IN (1, 2) THEN started ELSE 0 END,
    parked = CASE WHEN EXISTS (SELECT 1 FROM runs WHERE id = work.run_id AND status = 'paused') THEN 1 ELSE 0 END
WHERE run_id = :run_id AND node = :node AND fence = :fence AND owner = :owner
