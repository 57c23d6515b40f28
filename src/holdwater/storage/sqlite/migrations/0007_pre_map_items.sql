-- items of maps that have ended.  item_index: from 0, in the order of the inputs.  digest: of its inputs.
-- status: completed or failed.  outputs: a JSON object.  error, traceback, inputs: of one that failed.
CREATE TABLE map_items (
    run_id TEXT NOT NULL,
    item_index INTEGER NOT NULL,
    digest TEXT NOT NULL,
    status TEXT NOT NULL,
    ended_at INTEGER NOT NULL,
    outputs TEXT,
    error TEXT,
    traceback TEXT,
    inputs TEXT,
    PRIMARY KEY (run_id, item_index)
);

CREATE INDEX map_items_failed ON map_items (run_id, item_index, status) WHERE status = 'failed';

-- items go with the run of their map, whichever version deletes it
CREATE TRIGGER items_of_deleted_maps AFTER DELETE ON runs
BEGIN DELETE FROM map_items WHERE run_id = OLD.id; END;
