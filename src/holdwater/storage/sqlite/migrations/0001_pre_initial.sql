-- Instants are integer microseconds since the epoch; flags are 0 or 1.

-- a definition's plan, by the fingerprint of its structure
CREATE TABLE plans (
    structure TEXT PRIMARY KEY,
    workflow TEXT NOT NULL,
    style TEXT NOT NULL,
    plan TEXT NOT NULL,
    created_at INTEGER NOT NULL
);

-- one row per run; ids sort by creation time, so the key itself lists runs newest first
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
    inputs_digest TEXT,
    parent_id TEXT,
    forked_from TEXT
) WITHOUT ROWID;

CREATE UNIQUE INDEX runs_by_idempotency_key ON runs (workflow, idempotency_key) WHERE idempotency_key IS NOT NULL;

CREATE INDEX runs_by_deadline ON runs (deadline_at) WHERE deadline_at IS NOT NULL AND finished_at IS NULL;

CREATE INDEX runs_unfinished_by_parent ON runs (parent_id) WHERE parent_id IS NOT NULL AND finished_at IS NULL;

-- lists of runs by creation time; parent_id, so that children are left out from the index alone
CREATE INDEX runs_by_created_at ON runs (created_at, id, parent_id);

CREATE INDEX runs_by_parent_created_at ON runs (parent_id, created_at, id) WHERE parent_id IS NOT NULL;

CREATE INDEX runs_by_finished_at ON runs (finished_at, id) WHERE parent_id IS NULL AND finished_at IS NOT NULL;

-- lists and counts of runs by status; parent_id, so that children are left out from the index alone
CREATE INDEX runs_by_status ON runs (status, created_at, id, parent_id);

-- seq is the number of the row's first entry; entries is a JSON array of events.
-- An ordinary rowid table: rows are wide, and a key in a tree of its own is written and searched faster than wide rows
-- in key order.
CREATE TABLE journal (
    run_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    entries TEXT NOT NULL,
    PRIMARY KEY (run_id, seq)
);

-- the queue: one row per outstanding command (execute, timer, children).
-- started: 1 once its function was seen to start.  parked: 1 while its run is paused.
-- reclaimed: 0 no; 1 its owner died; 2 its lease expired, and the owner may live; 3 an earlier attempt was lost.
CREATE TABLE work (
    run_id TEXT NOT NULL,
    node INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    kind TEXT NOT NULL,
    workflow TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    owner TEXT,
    lease_until INTEGER NOT NULL,
    started INTEGER NOT NULL,
    reclaimed INTEGER NOT NULL,
    parked INTEGER NOT NULL,
    PRIMARY KEY (run_id, node, fence)
) WITHOUT ROWID;

-- task attempts, claimed in the order of due_at whatever it is
CREATE INDEX work_tasks_by_due_at ON work (due_at, run_id, node, fence, workflow)
WHERE owner IS NULL AND parked = 0 AND kind = 'execute';

-- work that needs no slot (timers, child runs), claimed when it is due, however long the queue of task attempts is
CREATE INDEX work_timers_by_due_at ON work (due_at, run_id, node, fence)
WHERE owner IS NULL AND parked = 0 AND kind <> 'execute';

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

-- what fires runs: cron expressions and triggers
CREATE TABLE schedules (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT,
    workflow TEXT NOT NULL,
    expression TEXT NOT NULL,
    timezone TEXT NOT NULL,
    inputs TEXT,
    enabled INTEGER NOT NULL,
    catchup TEXT,
    max_catchup INTEGER,
    misfire_grace_us INTEGER NOT NULL,
    overlap TEXT NOT NULL,
    jitter_us INTEGER NOT NULL,
    start_at INTEGER,
    end_at INTEGER,
    poll_us INTEGER NOT NULL,
    allow_concurrent INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    settled_at INTEGER NOT NULL,
    last_at INTEGER,
    next_at INTEGER,
    last_error TEXT,
    version INTEGER NOT NULL
);

CREATE UNIQUE INDEX schedules_by_name ON schedules (kind, name) WHERE name IS NOT NULL;

CREATE INDEX schedules_by_next_at ON schedules (kind, next_at, id) WHERE enabled = 1 AND next_at IS NOT NULL;

-- what became of each fire time of a schedule.
-- phase: 0 closed; 1 its run is not finished; 2 it has no run yet and may still get one
CREATE TABLE schedule_executions (
    schedule_id TEXT NOT NULL,
    scheduled_at INTEGER NOT NULL,
    state TEXT NOT NULL,
    claimed_at INTEGER NOT NULL,
    run_id TEXT,
    reason TEXT,
    context_hash TEXT,
    attempts INTEGER NOT NULL,
    phase INTEGER NOT NULL,
    PRIMARY KEY (schedule_id, scheduled_at)
) WITHOUT ROWID;

CREATE INDEX schedule_executions_running ON schedule_executions (schedule_id) WHERE phase = 1;

CREATE INDEX schedule_executions_waiting ON schedule_executions (schedule_id, scheduled_at) WHERE phase = 2;

CREATE INDEX schedule_executions_by_claimed_at ON schedule_executions (claimed_at);

-- names of workflows that a runner on this database has registered
CREATE TABLE workflows (
    name TEXT PRIMARY KEY,
    registered_at INTEGER NOT NULL
) WITHOUT ROWID;

-- Runs of steps, in the shape people who look at them with a SQL prompt expect.  Everything is cut out of the journal,
-- and nothing is stored twice.  No window functions, no sorting within: a condition on run_id must reach the tables.

-- The journal with text that can be shown: SQLite ends text at a NUL, so the sign for it is shown instead.
CREATE VIEW step_journal AS
SELECT
    journal.run_id AS run_id,
    journal.seq + event.key AS seq,
    journal.at AS at,
    json_extract(event.value, '$[0]') AS kind,
    CASE WHEN json_type(event.value, '$[1]') = 'integer' THEN json_extract(event.value, '$[1]') END AS node,
    event.value AS entry
FROM journal, json_each(replace(journal.entries, '\u0000', '\u2400')) AS event;

-- the start of each run
CREATE VIEW step_runs AS
SELECT
    runs.id AS run_id,
    runs.workflow AS workflow_name,
    runs.status AS status,
    runs.created_at AS created_at,
    runs.finished_at AS finished_at,
    plans.plan AS plan,
    start_entry.seq AS seq,
    start_entry.at AS at,
    json_extract(start_entry.entry, '$[1]."*"') AS inputs,
    json_extract(start_entry.entry, '$[2]') AS skipped_ranges,
    coalesce(json_extract(start_entry.entry, '$[1]."*".metadata.__visibility__.checkpoints'), 'all') AS checkpoints,
    coalesce(json_extract(start_entry.entry, '$[1]."*".metadata.__visibility__.events'), 1) AS has_events
FROM runs
JOIN plans ON plans.structure = runs.structure
JOIN step_journal AS start_entry ON start_entry.run_id = runs.id AND start_entry.kind = 'started'
WHERE runs.style = 'steps';

-- from which step on a run was reset.  (Rows of the journal that cannot have such an event are not parsed.)
CREATE VIEW step_resets AS
SELECT journal.run_id AS run_id, journal.seq + event.key AS seq, json_extract(event.value, '$[3]') AS first_node
FROM journal, json_each(replace(journal.entries, '\u0000', '\u2400')) AS event
WHERE instr(journal.entries, '["resumed",') > 0
    AND json_extract(event.value, '$[0]') = 'resumed'
    AND json_extract(event.value, '$[3]') IS NOT NULL;

-- One row for each step that has succeeded and was not reset since, with the context as it was right after it.
-- Values come by their position: 0 at the start, 2n + 1 right before step n, 2n + 2 right after it; the latest counts.
CREATE VIEW core_workflow_checkpoints AS
SELECT
    completed.run_id AS run_id,
    json_extract(run.plan, '$.nodes[' || completed.node || '].name') AS step_name,
    (
        SELECT json_object(
            'run_id', completed.run_id,
            'workflow_name', run.workflow_name,
            'execution', json_object(
                'execution_id', completed.run_id,
                'batch_id', json_extract(run.inputs, '$.batch_id'),
                'parent_execution_id', json_extract(run.inputs, '$.parent_id'),
                'started_at', strftime('%Y-%m-%dT%H:%M:%S', run.created_at / 1000000, 'unixepoch')
                    || printf('.%06dZ', run.created_at % 1000000)
            ),
            'started_at', strftime('%Y-%m-%dT%H:%M:%S', run.created_at / 1000000, 'unixepoch')
                || printf('.%06dZ', run.created_at % 1000000),
            'params', json_group_object(name, json(text)) FILTER (WHERE map = 'params'),
            'outputs', json_group_object(name, json(text)) FILTER (WHERE map = 'outputs'),
            'partition', json(coalesce(json_extract(run.inputs, '$.partition'), '{}')),
            'metadata', json_remove(coalesce(json_extract(run.inputs, '$.metadata'), '{}'), '$.__visibility__'),
            'quality_metrics', json_group_object(name, json(text)) FILTER (WHERE map = 'quality')
        )
        FROM (
            SELECT
                map,
                name,
                CASE type
                    WHEN 'object' THEN value
                    WHEN 'array' THEN value
                    WHEN 'true' THEN 'true'
                    WHEN 'false' THEN 'false'
                    WHEN 'real' THEN printf('%!.17g', value)
                    WHEN 'removed' THEN NULL
                    ELSE json_quote(value)
                END AS text,
                max(position * 1000000 + tie_breaker)
            FROM (
                SELECT
                    map.key AS map,
                    item.key AS name,
                    0 AS position,
                    0 AS tie_breaker,
                    item.type AS type,
                    item.value AS value
                FROM json_each(run.inputs) AS map, json_each(map.value) AS item
                WHERE map.key IN ('params', 'outputs', 'quality')
                UNION ALL
                SELECT
                    'params',
                    CASE change.key WHEN 'override' THEN item.key ELSE item.value END,
                    2 * json_extract(event.value, '$[1]') + 1,
                    CASE change.key WHEN 'override' THEN 1 ELSE 0 END,
                    CASE change.key WHEN 'override' THEN item.type ELSE 'removed' END,
                    item.value
                FROM
                    journal,
                    json_each(replace(journal.entries, '\u0000', '\u2400')) AS event,
                    json_each(event.value, '$[2]') AS change,
                    json_each(change.value) AS item
                WHERE journal.run_id = completed.run_id
                    AND instr(journal.entries, '["inputs_overridden",') > 0
                    AND json_extract(event.value, '$[0]') = 'inputs_overridden'
                UNION ALL
                SELECT
                    'params',
                    item.key,
                    2 * json_extract(override.value, '$[0]') + 1,
                    override.key + 2,
                    item.type,
                    item.value
                FROM
                    (
                        SELECT json_extract(event.value, '$[2]."*resume_params".resume_params') AS steps
                        FROM journal, json_each(replace(journal.entries, '\u0000', '\u2400')) AS event
                        WHERE journal.run_id = completed.run_id
                            AND instr(journal.entries, '"*resume_params"') > 0
                            AND json_extract(event.value, '$[0]') = 'resumed'
                            AND json_extract(event.value, '$[2]."*resume_params"') IS NOT NULL
                        ORDER BY journal.seq + event.key DESC
                        LIMIT 1
                    ) AS latest,
                    json_each(latest.steps) AS override,
                    json_each(override.value, '$[1]') AS item
                UNION ALL
                SELECT
                    CASE part.key WHEN 'set' THEN 'params' WHEN 'output' THEN 'outputs' ELSE 'quality' END,
                    CASE part.key
                        WHEN 'set' THEN item.key
                        ELSE json_extract(run.plan, '$.nodes[' || json_extract(event.value, '$[1]') || '].name')
                    END,
                    2 * json_extract(event.value, '$[1]') + 2,
                    0,
                    CASE part.key WHEN 'set' THEN item.type ELSE part.type END,
                    CASE part.key WHEN 'set' THEN item.value ELSE part.value END
                FROM
                    (
                        SELECT json_group_array(json_array(seq, first_node)) AS list
                        FROM step_resets
                        WHERE run_id = completed.run_id
                    ) AS resets,
                    journal,
                    json_each(replace(journal.entries, '\u0000', '\u2400')) AS event,
                    json_each(event.value, '$[5][0]') AS part,
                    json_each(CASE part.key WHEN 'set' THEN part.value ELSE '[0]' END) AS item
                WHERE journal.run_id = completed.run_id
                    AND journal.seq <= completed.seq
                    AND json_extract(event.value, '$[0]') = 'succeeded'
                    AND part.key IN ('set', 'output', 'quality')
                    AND NOT EXISTS (
                        SELECT 1
                        FROM json_each(resets.list) AS reset
                        WHERE json_extract(reset.value, '$[0]') > journal.seq + event.key
                            AND json_extract(reset.value, '$[1]') <= json_extract(event.value, '$[1]')
                    )
            )
            WHERE position <= 2 * completed.node + 2
            GROUP BY map, name
        )
        WHERE text IS NOT NULL AND name <> '__resumed__'
    ) AS context_snapshot,
    strftime('%Y-%m-%d %H:%M:%S', completed.at / 1000000, 'unixepoch')
        || printf('.%06d', completed.at % 1000000) AS created_at,
    run.workflow_name AS workflow_name
FROM step_runs AS run
JOIN step_journal AS completed ON completed.run_id = run.run_id AND completed.kind = 'succeeded'
WHERE NOT EXISTS (
        SELECT 1
        FROM step_resets AS reset
        WHERE reset.run_id = completed.run_id AND reset.seq > completed.seq AND reset.first_node <= completed.node
    )
    AND (
        run.checkpoints = 'all'
        OR (run.checkpoints = 'marked' AND (
            json_extract(completed.entry, '$[5][0].checkpoint') = 1
            OR (run.finished_at IS NOT NULL AND NOT EXISTS (
                SELECT 1
                FROM step_journal AS later
                WHERE later.run_id = completed.run_id AND later.kind = 'succeeded' AND later.seq > completed.seq
            ))
        ))
    )
ORDER BY completed.run_id, completed.node;

-- Ends of attempts.  first_started_at: when its function was first called, if more than once (a wait, a map).
CREATE VIEW step_attempts AS
SELECT
    ended.run_id AS run_id,
    ended.seq AS seq,
    ended.at AS at,
    ended.node AS node,
    ended.kind AS kind,
    ended.entry AS entry,
    json_extract(ended.entry, '$[3]') AS started_at,
    json_extract(ended.entry, '$[4]') AS ended_at,
    (
        SELECT json_extract(event.value, '$[3]')
        FROM journal, json_each(replace(journal.entries, '\u0000', '\u2400')) AS event
        WHERE journal.run_id = ended.run_id
            AND (instr(journal.entries, '["deferred",') > 0 OR instr(journal.entries, '["child_runs_requested",') > 0)
            AND json_extract(event.value, '$[0]') IN ('deferred', 'child_runs_requested')
            AND json_extract(event.value, '$[1]') = ended.node
            AND journal.seq + event.key < ended.seq
            AND NOT EXISTS (
                SELECT 1
                FROM step_journal AS intervening
                WHERE intervening.run_id = ended.run_id
                    AND intervening.kind IN ('succeeded', 'failed')
                    AND intervening.node = ended.node
                    AND intervening.seq > journal.seq + event.key
                    AND intervening.seq < ended.seq
            )
        ORDER BY journal.seq + event.key DESC
        LIMIT 1
    ) AS first_started_at
FROM step_journal AS ended
WHERE ended.kind IN ('succeeded', 'failed');

-- what happened in a run, in order; position orders what one entry of the journal stands for
CREATE VIEW step_events AS
SELECT run_id, seq, 0 AS position, 'workflow_started' AS event_type, NULL AS node, at, '{}' AS metadata
FROM step_runs
UNION ALL
SELECT run_id, seq, 1, 'step_started', node, started_at, '{}'
FROM step_attempts
WHERE first_started_at IS NULL
UNION ALL
SELECT run_id, seq, 1, 'step_started', node, json_extract(entry, '$[3]'), '{}'
FROM step_journal
WHERE kind IN ('deferred', 'child_runs_requested')
UNION ALL
SELECT
    run_id, seq, 2, 'step_waiting', node, json_extract(entry, '$[4]'),
    json_object(
        'until', strftime('%Y-%m-%dT%H:%M:%S', json_extract(entry, '$[5]') / 1000000, 'unixepoch')
            || printf('.%06dZ', json_extract(entry, '$[5]') % 1000000)
    )
FROM step_journal
WHERE kind = 'deferred'
UNION ALL
SELECT
    run_id, seq, 2, 'map_started', node, json_extract(entry, '$[4]'),
    json_object('item_count', json_array_length(entry, '$[5]'))
FROM step_journal
WHERE kind = 'child_runs_requested'
UNION ALL
SELECT
    run_id, seq, 2, 'map_item_' || json_extract(entry, '$[4]'), node, at,
    json_object('item', json_extract(entry, '$[3]'))
FROM step_journal
WHERE kind = 'child_status_changed' AND json_extract(entry, '$[4]') IN ('completed', 'failed', 'cancelled')
UNION ALL
SELECT
    attempt.run_id, attempt.seq, 3 + event.key, 'step_event', attempt.node, attempt.ended_at,
    json(event.value)
FROM step_attempts AS attempt, json_each(attempt.entry, '$[5][0].events') AS event
WHERE attempt.kind = 'succeeded'
UNION ALL
SELECT
    run_id, seq, 1000000,
    CASE WHEN json_extract(entry, '$[5][0].skipped') IS NULL THEN 'step_completed' ELSE 'step_skipped' END,
    node, ended_at,
    CASE WHEN json_extract(entry, '$[5][0].skipped') IS NULL
        THEN json_object(
            'duration_ms', (ended_at - coalesce(first_started_at, started_at)) / 1000.0,
            'output_size', coalesce(length(CAST(json_extract(entry, '$[5][0].output') AS BLOB)), 0)
        )
        ELSE json_object('reason', json_extract(entry, '$[5][0].skipped'))
    END
FROM step_attempts
WHERE kind = 'succeeded'
UNION ALL
SELECT
    run_id, seq, 1000000, 'step_failed', node, ended_at,
    json_object(
        'duration_ms', (ended_at - coalesce(first_started_at, started_at)) / 1000.0,
        'error', json_extract(entry, '$[6]'),
        'category', json_extract(entry, '$[5]')
    )
FROM step_attempts
WHERE kind = 'failed'
UNION ALL
SELECT
    run_id, seq, 1000001, 'step_retrying', node, ended_at,
    json_object('delay_ms', max(0, json_extract(entry, '$[7]') - ended_at) / 1000.0)
FROM step_attempts
WHERE kind = 'failed' AND json_extract(entry, '$[7]') IS NOT NULL
UNION ALL
SELECT
    attempt.run_id, attempt.seq, 1000001, 'workflow_failed', NULL, attempt.at,
    json_object('error', json_extract(attempt.entry, '$[6]'))
FROM step_attempts AS attempt
JOIN step_runs AS run ON run.run_id = attempt.run_id
WHERE attempt.kind = 'failed'
    AND json_extract(attempt.entry, '$[7]') IS NULL
    AND coalesce(json_extract(run.plan, '$.nodes[' || attempt.node || '].on_error'), 'stop') <> 'ignore'
UNION ALL
SELECT
    skipped.run_id, skipped.seq, 1000001 + node.key, 'step_skipped', node.key, skipped.at,
    json_object('reason', skipped.reason)
FROM
    (
        SELECT run_id, seq, at, plan, skipped_ranges AS pairs, 'not requested' AS reason
        FROM step_runs
        WHERE skipped_ranges IS NOT NULL
        UNION ALL
        SELECT
            jump.run_id, jump.seq, jump.at, run.plan, json_extract(jump.entry, '$[6]'),
            'skipped by ' || json_extract(run.plan, '$.nodes[' || jump.node || '].name')
        FROM step_journal AS jump
        JOIN step_runs AS run ON run.run_id = jump.run_id
        WHERE jump.kind = 'succeeded' AND json_type(jump.entry, '$[6]') = 'array'
    ) AS skipped,
    json_each(skipped.pairs) AS range_edge,
    json_each(skipped.plan, '$.nodes') AS node
WHERE range_edge.key % 2 = 0
    AND node.key >= (
        SELECT key FROM json_each(skipped.plan, '$.nodes') WHERE json_extract(value, '$.name') = range_edge.value
    )
    AND node.key < coalesce(
        (
            SELECT key
            FROM json_each(skipped.plan, '$.nodes')
            WHERE json_extract(value, '$.name') = json_extract(skipped.pairs, '$[' || (range_edge.key + 1) || ']')
        ),
        json_array_length(skipped.plan, '$.nodes')
    )
UNION ALL
SELECT run_id, seq, 1, 'step_attempt_lost', node, at, '{}'
FROM step_journal
WHERE kind = 'attempt_lost'
UNION ALL
SELECT
    run_id, seq, 1,
    CASE kind WHEN 'resumed' THEN 'workflow_resumed' WHEN 'timed_out' THEN 'workflow_failed' ELSE 'workflow_stopped' END,
    NULL, at,
    CASE kind
        WHEN 'timed_out' THEN json_object('error', json_extract(entry, '$[1]'))
        ELSE json_object('reason', json_extract(entry, '$[1]'))
    END
FROM step_journal
WHERE kind IN ('resumed', 'timed_out', 'cancel_requested', 'paused')
UNION ALL
SELECT
    run_id, (SELECT seq FROM runs WHERE runs.id = step_runs.run_id), 2000000, 'workflow_completed', NULL, finished_at,
    json_object('duration_ms', (finished_at - created_at) / 1000.0)
FROM step_runs
WHERE status = 'completed';

CREATE VIEW core_workflow_events AS
SELECT
    event.run_id AS run_id,
    event.event_type AS event_type,
    json_extract(run.plan, '$.nodes[' || event.node || '].name') AS step_name,
    strftime('%Y-%m-%dT%H:%M:%S', event.at / 1000000, 'unixepoch') || printf('.%06dZ', event.at % 1000000) AS timestamp,
    event.metadata AS metadata,
    run.workflow_name AS workflow_name
FROM step_runs AS run
JOIN step_events AS event ON event.run_id = run.run_id
WHERE run.has_events = 1
ORDER BY event.run_id, event.seq, event.position;
