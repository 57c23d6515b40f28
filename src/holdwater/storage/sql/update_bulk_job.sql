-- only by the process that executes it, and not once it was stopped
UPDATE bulk_jobs
SET state = :state, ended_at = :ended_at, lease_until = :lease_until, facts = :facts
WHERE id = :id AND owner = :owner AND state = 'running'
