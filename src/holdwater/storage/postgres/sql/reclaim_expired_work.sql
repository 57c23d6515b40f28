-- Work that returns to the queue of a paused run is parked.  SKIP LOCKED: a run that another transaction is writing may
-- be about to be paused or renewed; the scan that finds its lease still expired repeats this at once.
WITH locked_runs AS MATERIALIZED (
    SELECT id, status
    FROM runs
    WHERE id IN (
        SELECT run_id FROM work WHERE owner = ANY(:expired_owners::TEXT[]) AND lease_until <= :now
    )
    ORDER BY id
    FOR SHARE SKIP LOCKED
)
UPDATE work
SET
    owner = NULL, lease_until = 0,
    reclaimed = CASE WHEN owner = ANY(:connected_owners::TEXT[]) THEN 2 ELSE 1 END,
    parked = CASE WHEN locked_runs.status = 'paused' THEN 1 ELSE 0 END
FROM locked_runs
WHERE
    work.run_id = locked_runs.id
    AND owner = ANY(:expired_owners::TEXT[]) AND lease_until <= :now
