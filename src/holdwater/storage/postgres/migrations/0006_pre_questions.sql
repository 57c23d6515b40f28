-- open questions: nodes of runs that wait for an answer.  asked_at: when that was journalled.
-- They go with their run, whichever version deletes it.
CREATE TABLE questions (
    run_id TEXT COLLATE "C" NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    node INTEGER NOT NULL,
    fence BIGINT NOT NULL,
    asked_at BIGINT NOT NULL,
    PRIMARY KEY (run_id, node)
);

CREATE INDEX questions_by_asked_at ON questions (asked_at, run_id, node);

-- of unfinished runs: some may be answered already, which reading finds out
INSERT INTO questions (run_id, node, fence, asked_at)
SELECT event.run_id, event.node, max(substring(event.entry FROM '^[^,]*,[0-9]+,([0-9]+),')::BIGINT), max(event.at)
FROM journal_events AS event
WHERE event.kind = 'input_requested'
    AND event.run_id IN (
        SELECT runs.id
        FROM runs
        JOIN journal ON journal.run_id = runs.id
        WHERE runs.status IN ('running', 'paused') AND position('["input_requested",' IN journal.entries) > 0
    )
GROUP BY event.run_id, event.node;
