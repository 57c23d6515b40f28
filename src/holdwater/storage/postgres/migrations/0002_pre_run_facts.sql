-- Why a run exists: origin is one of api, cli, code, cron, trigger, child, fork ('': a run of an earlier version, which
-- did not record it); started_by names the author (cli:alice, schedule:nightly); labels_json is an object of texts, or
-- NULL if there are none; traceparent is that of the request, as in W3C Trace Context.
ALTER TABLE runs ADD COLUMN origin TEXT NOT NULL DEFAULT '';

ALTER TABLE runs ADD COLUMN started_by TEXT NOT NULL DEFAULT '';

ALTER TABLE runs ADD COLUMN labels_json TEXT;

ALTER TABLE runs ADD COLUMN traceparent TEXT;

-- the labels of runs.labels_json, to filter by; is_child and created_at are those of the run, so that lists of one label
-- are read in order from the index alone
CREATE TABLE run_labels (
    run_id TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    is_child SMALLINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (run_id, key)
);

CREATE INDEX run_labels_by_value ON run_labels (key, value, is_child, created_at, run_id);

-- Lists and counts.  Each run is in the indexes of its kind (top-level or child); the status comes before the instant, so
-- that any choice of states and workflows is a merge of ranges, and rare ones cost no more than frequent ones.
DROP INDEX runs_by_status;

CREATE INDEX runs_top_level_by_status ON runs (status, created_at, id) WHERE parent_id IS NULL;

CREATE INDEX runs_top_level_by_workflow ON runs (workflow, status, created_at, id) WHERE parent_id IS NULL;

CREATE INDEX runs_children_by_status ON runs (status, created_at, id) WHERE parent_id IS NOT NULL;

CREATE INDEX runs_children_by_workflow ON runs (workflow, status, created_at, id) WHERE parent_id IS NOT NULL;
