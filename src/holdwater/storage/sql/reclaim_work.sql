-- of a dead owner; what goes back to the queue of a run paused meanwhile is parked, as everything unowned of it is
UPDATE work
SET
    owner = NULL, lease_until = 0, reclaimed = 1,
    parked = CASE WHEN EXISTS (SELECT 1 FROM runs WHERE id = work.run_id AND status = 'paused') THEN 1 ELSE 0 END
WHERE owner = :owner
