-- what fires runs: cron expressions and triggers
CREATE TABLE schedules (
    id TEXT COLLATE "C" PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT COLLATE "C",
    workflow TEXT COLLATE "C" NOT NULL,
    expression TEXT NOT NULL,
    timezone TEXT NOT NULL,
    inputs TEXT,
    enabled SMALLINT NOT NULL,
    catchup TEXT,
    max_catchup BIGINT,
    misfire_grace_us BIGINT NOT NULL,
    overlap TEXT NOT NULL,
    jitter_us BIGINT NOT NULL,
    start_at BIGINT,
    end_at BIGINT,
    poll_us BIGINT NOT NULL,
    allow_concurrent SMALLINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    settled_at BIGINT NOT NULL,
    last_at BIGINT,
    next_at BIGINT,
    last_error TEXT,
    version BIGINT NOT NULL
);

CREATE UNIQUE INDEX schedules_by_name ON schedules (kind, name) WHERE name IS NOT NULL;

CREATE INDEX schedules_to_look_at ON schedules (kind, next_at, id) WHERE enabled = 1 AND next_at IS NOT NULL;

-- what became of their instants.  open: 1 while the run goes on, 2 while there is none and may be one yet, 0 for good
CREATE TABLE schedule_executions (
    schedule_id TEXT COLLATE "C" NOT NULL,
    scheduled_at BIGINT NOT NULL,
    state TEXT NOT NULL,
    claimed_at BIGINT NOT NULL,
    run_id TEXT COLLATE "C",
    reason TEXT,
    context_hash TEXT,
    attempts BIGINT NOT NULL,
    open SMALLINT NOT NULL,
    PRIMARY KEY (schedule_id, scheduled_at)
);

CREATE INDEX schedule_executions_running ON schedule_executions (schedule_id) WHERE open = 1;

CREATE INDEX schedule_executions_waiting ON schedule_executions (schedule_id, scheduled_at) WHERE open = 2;

CREATE INDEX schedule_executions_by_time ON schedule_executions (claimed_at);

-- names of workflows that some runner on this database knows
CREATE TABLE workflows (
    name TEXT COLLATE "C" PRIMARY KEY,
    announced_at BIGINT NOT NULL
);
