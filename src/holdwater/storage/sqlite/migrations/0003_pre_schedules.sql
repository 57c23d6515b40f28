-- what fires runs: cron expressions and triggers
CREATE TABLE schedules (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT,
    workflow TEXT NOT NULL,
    expression TEXT NOT NULL,
    timezone TEXT NOT NULL,
    inputs TEXT,
    enabled INTEGER NOT NULL,
    catchup TEXT,
    max_catchup INTEGER,
    misfire_grace_us INTEGER NOT NULL,
    overlap TEXT NOT NULL,
    jitter_us INTEGER NOT NULL,
    start_at INTEGER,
    end_at INTEGER,
    poll_us INTEGER NOT NULL,
    allow_concurrent INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    settled_at INTEGER NOT NULL,
    last_at INTEGER,
    next_at INTEGER,
    last_error TEXT,
    version INTEGER NOT NULL
);

CREATE UNIQUE INDEX schedules_by_name ON schedules (kind, name) WHERE name IS NOT NULL;

CREATE INDEX schedules_to_look_at ON schedules (kind, next_at, id) WHERE enabled = 1 AND next_at IS NOT NULL;

-- what became of their instants.  open: 1 while the run goes on, 2 while there is none and may be one yet, 0 for good
CREATE TABLE schedule_executions (
    schedule_id TEXT NOT NULL,
    scheduled_at INTEGER NOT NULL,
    state TEXT NOT NULL,
    claimed_at INTEGER NOT NULL,
    run_id TEXT,
    reason TEXT,
    context_hash TEXT,
    attempts INTEGER NOT NULL,
    open INTEGER NOT NULL,
    PRIMARY KEY (schedule_id, scheduled_at)
) WITHOUT ROWID;

CREATE INDEX schedule_executions_running ON schedule_executions (schedule_id) WHERE open = 1;

CREATE INDEX schedule_executions_waiting ON schedule_executions (schedule_id, scheduled_at) WHERE open = 2;

CREATE INDEX schedule_executions_by_time ON schedule_executions (claimed_at);

-- names of workflows that some runner on this database knows
CREATE TABLE workflows (
    name TEXT PRIMARY KEY,
    announced_at INTEGER NOT NULL
) WITHOUT ROWID;
