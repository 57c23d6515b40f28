UPDATE work
SET parked = given.parked
FROM unnest(:parked::SMALLINT[], :run_id::TEXT[]) AS given (parked, run_id)
WHERE work.run_id = given.run_id AND work.owner IS NULL
