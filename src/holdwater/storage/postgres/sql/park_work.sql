UPDATE work
SET parked = change.parked
FROM unnest(:parked::SMALLINT[], :run_id::TEXT[]) AS change (parked, run_id)
WHERE work.run_id = change.run_id AND work.owner IS NULL
