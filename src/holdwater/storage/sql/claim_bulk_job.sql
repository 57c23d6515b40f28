UPDATE bulk_jobs
SET owner = :owner, lease_until = :lease_until
WHERE id = :id AND state = 'running' AND (owner IS NULL OR owner = :owner OR lease_until < :now)
