UPDATE work
SET
    owner = NULL, lease_until = 0, orphaned = 1,
    parked = CASE WHEN EXISTS (SELECT 1 FROM runs WHERE id = work.run_id AND status = 'paused') THEN 1 ELSE 0 END
WHERE owner IS NOT NULL AND owner <> ALL(:ours::TEXT[]) AND lease_until <= :now
