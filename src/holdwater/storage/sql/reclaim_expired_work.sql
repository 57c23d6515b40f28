-- of an owner that is alive: only work whose lease has expired
UPDATE work
SET
    owner = NULL, lease_until = 0, reclaimed = 2,
    parked = CASE WHEN EXISTS (SELECT 1 FROM runs WHERE id = work.run_id AND status = 'paused') THEN 1 ELSE 0 END
WHERE owner = :owner AND lease_until <= :now
