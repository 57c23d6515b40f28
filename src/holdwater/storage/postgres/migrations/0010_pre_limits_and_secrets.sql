-- limit_keys: keys of the concurrency limits a task attempt counts towards, one a line; '' for none.  Tasks with keys are
-- never claimed by the commit that queues them, only by claims that count those that are leased.
ALTER TABLE work ADD COLUMN limit_keys TEXT COLLATE "C" NOT NULL DEFAULT '';

-- task attempts that wait, in the order of due_at for each set of keys
CREATE INDEX work_tasks_by_limit ON work (limit_keys, due_at, run_id, node, fence)
WHERE owner IS NULL AND parked = 0 AND kind = 'execute';

-- task attempts that hold a place in a limit
CREATE INDEX work_held_by_limit ON work (limit_keys) WHERE owner IS NOT NULL AND limit_keys <> '';

-- key: NAME as in @task(limit="NAME"), workflow:NAME, or label:KEY=VALUE.  max_running: task attempts leased at once
CREATE TABLE concurrency_limits (
    key TEXT COLLATE "C" PRIMARY KEY,
    max_running INTEGER NOT NULL,
    set_by TEXT NOT NULL,
    set_at BIGINT NOT NULL
);

-- Secrets of the database.  field_names: JSON array of texts.  sealed: nonce, ciphertext and tag of AES-256-GCM over a
-- JSON object of texts.  key_id: first hex digits of a digest of the key it is encrypted with
CREATE TABLE secrets (
    name TEXT COLLATE "C" PRIMARY KEY,
    id TEXT NOT NULL,
    field_names TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    key_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    updated_by TEXT NOT NULL
);
