-- requests to act on many runs.  state: running, completed or stopped.  owner: the process that executes it, until
-- lease_until.  facts: JSON object: what is to be done, by whom and why, and the numbers of runs
CREATE TABLE bulk_jobs (
    id TEXT COLLATE "C" PRIMARY KEY,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    ended_at BIGINT,
    owner TEXT,
    lease_until BIGINT NOT NULL,
    facts TEXT NOT NULL
);

CREATE INDEX bulk_jobs_by_created_at ON bulk_jobs (created_at, id);

-- the runs that a job has not acted on yet.  run_ids: JSON array
CREATE TABLE bulk_chunks (
    job_id TEXT COLLATE "C" NOT NULL REFERENCES bulk_jobs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    run_ids TEXT NOT NULL,
    PRIMARY KEY (job_id, number)
);

-- settings of the database, for all its runners.  value: JSON
CREATE TABLE settings (
    name TEXT COLLATE "C" PRIMARY KEY,
    value TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    changed_by TEXT NOT NULL
);
