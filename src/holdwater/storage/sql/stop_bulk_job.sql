UPDATE bulk_jobs SET state = 'stopped', ended_at = :now WHERE id = :id AND state = 'running'
