-- what task functions print and log.  line: number in the log of the run, from 1.
-- stream: stdout, stderr, log (a log record, with level and logger), notice (the log about itself).
CREATE TABLE run_logs (
    run_id TEXT NOT NULL,
    line INTEGER NOT NULL,
    node INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    at INTEGER NOT NULL,
    stream TEXT NOT NULL,
    level TEXT,
    logger TEXT,
    text TEXT NOT NULL,
    PRIMARY KEY (run_id, line)
) WITHOUT ROWID;

CREATE INDEX run_logs_by_node ON run_logs (run_id, node, line);

-- how much the log of a run has: the number of its last line, and the bytes that count against its limit
CREATE TABLE run_log_sizes (
    run_id TEXT PRIMARY KEY,
    lines INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) WITHOUT ROWID;

-- logs go with their run, whichever version deletes it
CREATE TRIGGER run_logs_of_deleted_runs AFTER DELETE ON runs
BEGIN DELETE FROM run_logs WHERE run_id = OLD.id; DELETE FROM run_log_sizes WHERE run_id = OLD.id; END;
