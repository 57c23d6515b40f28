-- items of maps that have ended.  item_index: from 0, in the order of the inputs.  digest: of its inputs.
-- status: completed or failed.  outputs: a JSON object.  error, traceback, inputs: of one that failed.
-- They go with the run of their map, whichever version deletes it.
CREATE TABLE map_items (
    run_id TEXT COLLATE "C" NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    item_index BIGINT NOT NULL,
    digest TEXT NOT NULL,
    status TEXT NOT NULL,
    ended_at BIGINT NOT NULL,
    outputs TEXT,
    error TEXT,
    traceback TEXT,
    inputs TEXT,
    PRIMARY KEY (run_id, item_index)
);

CREATE INDEX map_items_failed ON map_items (run_id, item_index, status) WHERE status = 'failed';
