SELECT id, state, created_at, ended_at, owner, lease_until, facts FROM bulk_jobs WHERE id = :id
