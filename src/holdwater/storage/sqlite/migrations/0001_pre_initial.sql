-- Instants are integer microseconds since the epoch; flags are 0 or 1.

-- a definition's plan, by the fingerprint of its structure
CREATE TABLE plans (
    structure TEXT PRIMARY KEY,
    workflow TEXT NOT NULL,
    style TEXT NOT NULL,
    plan TEXT NOT NULL,
    created_at INTEGER NOT NULL
);

-- heads of runs; ids are ordered by time of birth, so the key itself lists them newest first
CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    workflow TEXT NOT NULL,
    style TEXT NOT NULL,
    structure TEXT NOT NULL,
    code TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    status TEXT NOT NULL,
    seq INTEGER NOT NULL,
    error TEXT,
    reason TEXT,
    finished_at INTEGER,
    paused_at INTEGER,
    deadline_at INTEGER,
    idempotency_key TEXT,
    inputs_digest TEXT
) WITHOUT ROWID;

CREATE UNIQUE INDEX runs_by_key ON runs (workflow, idempotency_key) WHERE idempotency_key IS NOT NULL;

CREATE INDEX runs_by_deadline ON runs (deadline_at) WHERE deadline_at IS NOT NULL AND finished_at IS NULL;

-- seq is the number of the row's first entry; entries is a JSON array of events.
-- An ordinary rowid table: rows are wide, and a key in a tree of its own is written and searched faster than wide rows in key order.
CREATE TABLE journal (
    run_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    entries TEXT NOT NULL,
    PRIMARY KEY (run_id, seq)
);

-- the queue: one row per outstanding command
CREATE TABLE work (
    run_id TEXT NOT NULL,
    node INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    kind TEXT NOT NULL,
    workflow TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    owner TEXT,
    lease_until INTEGER NOT NULL,
    began INTEGER NOT NULL,
    orphaned INTEGER NOT NULL,
    parked INTEGER NOT NULL,
    PRIMARY KEY (run_id, node, fence)
) WITHOUT ROWID;

-- the order of claims, and what it takes to pass over foreign work without a look at its row
CREATE INDEX work_to_claim ON work (due_at, run_id, node, fence, workflow, owner, parked)
WHERE owner IS NULL AND parked = 0;

CREATE INDEX work_by_owner ON work (owner) WHERE owner IS NOT NULL;

-- the journal, one row per event, for people with a SQL prompt
CREATE VIEW journal_events AS
SELECT
    journal.run_id AS run_id,
    journal.seq + event.key AS seq,
    journal.at AS at,
    json_extract(event.value, '$[0]') AS kind,
    CASE WHEN json_type(event.value, '$[1]') = 'integer' THEN json_extract(event.value, '$[1]') END AS node,
    event.value AS entry
FROM journal, json_each(journal.entries) AS event;
