-- Instants are microseconds since the epoch; flags are 0 or 1.  Ids and names sort by their bytes, as everywhere else.

-- a definition's plan, by the fingerprint of its structure
CREATE TABLE plans (
    structure TEXT COLLATE "C" PRIMARY KEY,
    workflow TEXT NOT NULL,
    style TEXT NOT NULL,
    plan TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- heads of runs; ids are ordered by time of birth, so the key itself lists them newest first
CREATE TABLE runs (
    id TEXT COLLATE "C" PRIMARY KEY,
    workflow TEXT COLLATE "C" NOT NULL,
    style TEXT NOT NULL,
    structure TEXT NOT NULL,
    code TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    status TEXT NOT NULL,
    seq BIGINT NOT NULL,
    error TEXT,
    reason TEXT,
    finished_at BIGINT,
    paused_at BIGINT,
    deadline_at BIGINT,
    idempotency_key TEXT COLLATE "C",
    inputs_digest TEXT,
    parent_id TEXT COLLATE "C",
    forked_from TEXT COLLATE "C"
) WITH (fillfactor = 80);

CREATE UNIQUE INDEX runs_by_key ON runs (workflow, idempotency_key) WHERE idempotency_key IS NOT NULL;

CREATE INDEX runs_by_deadline ON runs (deadline_at) WHERE deadline_at IS NOT NULL AND finished_at IS NULL;

CREATE INDEX runs_by_parent ON runs (parent_id) WHERE parent_id IS NOT NULL AND finished_at IS NULL;

-- seq is the number of the row's first entry; entries is a JSON array of events.
CREATE TABLE journal (
    run_id TEXT COLLATE "C" NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    entries TEXT NOT NULL,
    PRIMARY KEY (run_id, seq)
);

-- the queue: one row per outstanding command.  Rows live for milliseconds, so what they leave behind is swept early.
CREATE TABLE work (
    run_id TEXT COLLATE "C" NOT NULL,
    node INTEGER NOT NULL,
    fence BIGINT NOT NULL,
    kind TEXT NOT NULL,
    workflow TEXT COLLATE "C" NOT NULL,
    due_at BIGINT NOT NULL,
    owner TEXT COLLATE "C",
    lease_until BIGINT NOT NULL,
    began SMALLINT NOT NULL,
    orphaned SMALLINT NOT NULL,
    parked SMALLINT NOT NULL,
    PRIMARY KEY (run_id, node, fence)
) WITH (
    fillfactor = 70,
    autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_cost_delay = 0
);

CREATE INDEX work_to_claim ON work (due_at, run_id, node, fence) WHERE owner IS NULL AND parked = 0;

CREATE INDEX work_by_owner ON work (owner, lease_until) WHERE owner IS NOT NULL;

-- The journal, one row per event, for people with a SQL prompt.  What an event holds is only cut out, never decoded:
-- JSON of users may have in it what text here cannot (\u0000), and then whoever looked would be refused.
CREATE VIEW journal_events AS
SELECT
    journal.run_id AS run_id,
    journal.seq + event.place - 1 AS seq,
    journal.at AS at,
    substring(event.value::TEXT FROM '^\["([a-z_]+)"') AS kind,
    substring(event.value::TEXT FROM '^\["[a-z_]+",(-?[0-9]+)[],]')::BIGINT AS node,
    event.value::TEXT AS entry
FROM journal CROSS JOIN LATERAL json_array_elements(journal.entries::JSON) WITH ORDINALITY AS event (value, place);

-- Where runners of this schema tell each other what changed.  Channels belong to the whole database, so the name is
-- one that nobody can guess who may not read it here.
CREATE TABLE news_channel (
    name TEXT NOT NULL
);

INSERT INTO news_channel VALUES ('holdwater_' || replace(gen_random_uuid()::TEXT, '-', ''));
