-- how much the log of a run has: the number of its last line, and the bytes that count against its limit.
-- Logs go with their run, whichever version deletes it; its row is locked while lines are written.
CREATE TABLE run_log_sizes (
    run_id TEXT COLLATE "C" PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
    lines BIGINT NOT NULL,
    bytes BIGINT NOT NULL
) WITH (fillfactor = 50);

-- what task functions print and log.  line: number in the log of the run, from 1.
-- stream: stdout, stderr, log (a log record, with level and logger), notice (the log about itself).
CREATE TABLE run_logs (
    run_id TEXT COLLATE "C" NOT NULL REFERENCES run_log_sizes (run_id) ON DELETE CASCADE,
    line BIGINT NOT NULL,
    node INTEGER NOT NULL,
    fence BIGINT NOT NULL,
    at BIGINT NOT NULL,
    stream TEXT NOT NULL,
    level TEXT,
    logger TEXT,
    text TEXT NOT NULL,
    PRIMARY KEY (run_id, line)
);

CREATE INDEX run_logs_by_node ON run_logs (run_id, node, line);
