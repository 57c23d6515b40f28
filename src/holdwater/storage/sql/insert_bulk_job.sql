INSERT INTO bulk_jobs (id, state, created_at, ended_at, owner, lease_until, facts)
VALUES (:id, :state, :created_at, :ended_at, :owner, :lease_until, :facts)
ON CONFLICT (id) DO NOTHING
