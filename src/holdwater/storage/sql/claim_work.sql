UPDATE work
SET owner = :owner, lease_until = :lease_until
WHERE run_id = :run_id AND node = :node AND fence = :fence
