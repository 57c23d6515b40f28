-- SKIP LOCKED: rows that another transaction is changing
WITH chosen AS (
    SELECT work.run_id, work.node, work.fence
    FROM unnest(:run_id::TEXT[], :node::INTEGER[], :fence::BIGINT[]) AS target (run_id, node, fence)
    JOIN work ON work.run_id = target.run_id AND work.node = target.node AND work.fence = target.fence
    WHERE work.owner IS NULL AND work.parked = 0
    FOR UPDATE OF work SKIP LOCKED
)
UPDATE work
SET owner = :owner::TEXT, lease_until = :lease_until
FROM chosen
WHERE work.run_id = chosen.run_id AND work.node = chosen.node AND work.fence = chosen.fence
RETURNING work.run_id, work.node, work.fence
