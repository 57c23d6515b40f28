SELECT id, state, created_at, ended_at, owner, lease_until, facts
FROM bulk_jobs
ORDER BY created_at DESC, id DESC
LIMIT :limit
