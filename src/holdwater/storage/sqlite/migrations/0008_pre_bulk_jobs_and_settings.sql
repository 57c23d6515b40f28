-- requests to act on many runs.  state: running, completed or stopped.  owner: the process that executes it, until
-- lease_until.  facts: JSON object: what is to be done, by whom and why, and the numbers of runs
CREATE TABLE bulk_jobs (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    ended_at INTEGER,
    owner TEXT,
    lease_until INTEGER NOT NULL,
    facts TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX bulk_jobs_by_created_at ON bulk_jobs (created_at, id);

-- the runs that a job has not acted on yet.  run_ids: JSON array
CREATE TABLE bulk_chunks (
    job_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    run_ids TEXT NOT NULL,
    PRIMARY KEY (job_id, number)
) WITHOUT ROWID;

-- settings of the database, for all its runners.  value: JSON
CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    changed_by TEXT NOT NULL
) WITHOUT ROWID;
