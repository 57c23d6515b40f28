-- all unowned work of a paused run is parked, so also work that returns to its queue after the pause
UPDATE work
SET
    owner = NULL, lease_until = 0, started = CASE WHEN reclaimed IN (1, 2) THEN started ELSE 0 END,
    limit_keys = :limit_keys,
    parked = CASE WHEN EXISTS (SELECT 1 FROM runs WHERE id = work.run_id AND status = 'paused') THEN 1 ELSE 0 END
WHERE run_id = :run_id AND node = :node AND fence = :fence AND owner = :owner
