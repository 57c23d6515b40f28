-- of a dead owner; all unowned work of a paused run is parked, so also work that returns to its queue after the pause
UPDATE work
SET
    owner = NULL, lease_until = 0, reclaimed = 1,
    parked = CASE WHEN EXISTS (SELECT 1 FROM runs WHERE id = work.run_id AND status = 'paused') THEN 1 ELSE 0 END
WHERE owner = :owner
