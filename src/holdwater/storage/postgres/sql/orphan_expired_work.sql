-- What goes back to the queue of a paused run is parked.  A run that somebody is writing now is passed over: it may be
-- about to be paused, or to renew; whoever scans finds the lease expired still, and comes again at once.
WITH heads AS MATERIALIZED (
    SELECT id, status
    FROM runs
    WHERE id IN (
        SELECT run_id FROM work WHERE owner = ANY(:silent::TEXT[]) AND lease_until <= :now
    )
    ORDER BY id
    FOR SHARE SKIP LOCKED
)
UPDATE work
SET
    owner = NULL, lease_until = 0,
    orphaned = CASE WHEN owner = ANY(:hung::TEXT[]) THEN 2 ELSE 1 END,
    parked = CASE WHEN heads.status = 'paused' THEN 1 ELSE 0 END
FROM heads
WHERE
    work.run_id = heads.id
    AND owner = ANY(:silent::TEXT[]) AND lease_until <= :now
