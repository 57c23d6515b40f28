-- open questions: nodes of runs that wait for an answer.  asked_at: when that was journalled.
CREATE TABLE questions (
    run_id TEXT NOT NULL,
    node INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    asked_at INTEGER NOT NULL,
    PRIMARY KEY (run_id, node)
) WITHOUT ROWID;

CREATE INDEX questions_by_asked_at ON questions (asked_at, run_id, node);

-- questions go with their run, whichever version deletes it
CREATE TRIGGER questions_of_deleted_runs AFTER DELETE ON runs
BEGIN DELETE FROM questions WHERE run_id = OLD.id; END;

-- of unfinished runs: some may be answered already, which reading finds out
INSERT INTO questions (run_id, node, fence, asked_at)
SELECT
    journal.run_id,
    json_extract(event.value, '$[1]'),
    max(json_extract(event.value, '$[2]')),
    max(journal.at)
FROM runs
JOIN journal ON journal.run_id = runs.id
JOIN json_each(journal.entries) AS event
WHERE runs.status IN ('running', 'paused')
    AND instr(journal.entries, '["input_requested",') > 0
    AND json_extract(event.value, '$[0]') = 'input_requested'
GROUP BY journal.run_id, json_extract(event.value, '$[1]');
