-- Instants are microseconds since the epoch; flags are 0 or 1.  Ids and names sort by their bytes, as everywhere else.

-- a definition's plan, by the fingerprint of its structure
CREATE TABLE plans (
    structure TEXT COLLATE "C" PRIMARY KEY,
    workflow TEXT NOT NULL,
    style TEXT NOT NULL,
    plan TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- one row per run; ids sort by creation time, so the key itself lists runs newest first
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
CREATE TABLE journal (
    run_id TEXT COLLATE "C" NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    entries TEXT NOT NULL,
    PRIMARY KEY (run_id, seq)
);

-- the queue: one row per outstanding command (execute, timer, children).
-- started: 1 once its function was seen to start.  parked: 1 while its run is paused.
-- reclaimed: 0 no; 1 its owner died; 2 its lease expired, and the owner may live; 3 an earlier attempt was lost.
-- Rows live for milliseconds, so what they leave behind is vacuumed early.
CREATE TABLE work (
    run_id TEXT COLLATE "C" NOT NULL,
    node INTEGER NOT NULL,
    fence BIGINT NOT NULL,
    kind TEXT NOT NULL,
    workflow TEXT COLLATE "C" NOT NULL,
    due_at BIGINT NOT NULL,
    owner TEXT COLLATE "C",
    lease_until BIGINT NOT NULL,
    started SMALLINT NOT NULL,
    reclaimed SMALLINT NOT NULL,
    parked SMALLINT NOT NULL,
    PRIMARY KEY (run_id, node, fence)
) WITH (
    fillfactor = 70,
    autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_cost_delay = 0
);

-- task attempts, claimed in the order of due_at whatever it is
CREATE INDEX work_tasks_by_due_at ON work (due_at, run_id, node, fence)
WHERE owner IS NULL AND parked = 0 AND kind = 'execute';

-- work that needs no slot (timers, child runs), claimed when it is due, however long the queue of task attempts is
CREATE INDEX work_timers_by_due_at ON work (due_at, run_id, node, fence)
WHERE owner IS NULL AND parked = 0 AND kind <> 'execute';

CREATE INDEX work_by_owner ON work (owner, lease_until) WHERE owner IS NOT NULL;

-- The journal, one row per event, for use at a SQL prompt.  The JSON of an event is only extracted, never decoded to
-- text: values of users may contain \u0000, which text cannot, and the query would fail.
CREATE VIEW journal_events AS
SELECT
    journal.run_id AS run_id,
    journal.seq + event.place - 1 AS seq,
    journal.at AS at,
    substring(event.value::TEXT FROM '^\["([a-z_]+)"') AS kind,
    substring(event.value::TEXT FROM '^\["[a-z_]+",(-?[0-9]+)[],]')::BIGINT AS node,
    event.value::TEXT AS entry
FROM journal CROSS JOIN LATERAL json_array_elements(journal.entries::JSON) WITH ORDINALITY AS event (value, place);

-- The NOTIFY channel of this schema.  Channels belong to the whole database, so the name is random: only roles that may
-- read this table know it.
CREATE TABLE notify_channel (
    name TEXT NOT NULL
);

INSERT INTO notify_channel VALUES ('holdwater_' || replace(gen_random_uuid()::TEXT, '-', ''));

-- what fires runs: cron expressions and triggers
CREATE TABLE schedules (
    id TEXT COLLATE "C" PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT COLLATE "C",
    workflow TEXT COLLATE "C" NOT NULL,
    expression TEXT NOT NULL,
    timezone TEXT NOT NULL,
    inputs TEXT,
    enabled SMALLINT NOT NULL,
    catchup TEXT,
    max_catchup BIGINT,
    misfire_grace_us BIGINT NOT NULL,
    overlap TEXT NOT NULL,
    jitter_us BIGINT NOT NULL,
    start_at BIGINT,
    end_at BIGINT,
    poll_us BIGINT NOT NULL,
    allow_concurrent SMALLINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    settled_at BIGINT NOT NULL,
    last_at BIGINT,
    next_at BIGINT,
    last_error TEXT,
    version BIGINT NOT NULL
);

CREATE UNIQUE INDEX schedules_by_name ON schedules (kind, name) WHERE name IS NOT NULL;

CREATE INDEX schedules_by_next_at ON schedules (kind, next_at, id) WHERE enabled = 1 AND next_at IS NOT NULL;

-- what became of each fire time of a schedule.
-- phase: 0 closed; 1 its run is not finished; 2 it has no run yet and may still get one
CREATE TABLE schedule_executions (
    schedule_id TEXT COLLATE "C" NOT NULL,
    scheduled_at BIGINT NOT NULL,
    state TEXT NOT NULL,
    claimed_at BIGINT NOT NULL,
    run_id TEXT COLLATE "C",
    reason TEXT,
    context_hash TEXT,
    attempts BIGINT NOT NULL,
    phase SMALLINT NOT NULL,
    PRIMARY KEY (schedule_id, scheduled_at)
);

CREATE INDEX schedule_executions_running ON schedule_executions (schedule_id) WHERE phase = 1;

CREATE INDEX schedule_executions_waiting ON schedule_executions (schedule_id, scheduled_at) WHERE phase = 2;

CREATE INDEX schedule_executions_by_claimed_at ON schedule_executions (claimed_at);

-- names of workflows that a runner on this database has registered
CREATE TABLE workflows (
    name TEXT COLLATE "C" PRIMARY KEY,
    registered_at BIGINT NOT NULL
);

-- Runs of steps, in the shape people who look at them with a SQL prompt expect.  Everything is cut out of the journal,
-- and nothing is stored twice.  No window functions: a condition on run_id must reach the tables.

-- The journal with its entries as JSON.  Text here has no NUL: the sign for it is shown instead.
CREATE VIEW step_journal AS
SELECT run_id, seq, at, kind, node, replace(entry, '\u0000', '\u2400')::JSON AS entry
FROM journal_events;

-- the start of each run
CREATE VIEW step_runs AS
SELECT
    runs.id AS run_id,
    runs.workflow AS workflow_name,
    runs.status AS status,
    runs.seq AS last_seq,
    runs.created_at AS created_at,
    runs.finished_at AS finished_at,
    plans.plan::JSON -> 'nodes' AS nodes,
    start_entry.seq AS seq,
    start_entry.at AS at,
    start_entry.entry #> '{1,*}' AS inputs,
    start_entry.entry -> 2 AS skipped_ranges,
    coalesce(start_entry.entry #>> '{1,*,metadata,__visibility__,checkpoints}', 'all') AS checkpoints,
    coalesce(start_entry.entry #>> '{1,*,metadata,__visibility__,events}', 'true') = 'true' AS has_events
FROM runs
JOIN plans ON plans.structure = runs.structure
JOIN step_journal AS start_entry ON start_entry.run_id = runs.id AND start_entry.kind = 'started'
WHERE runs.style = 'steps';

-- from which step on a run was reset
CREATE VIEW step_resets AS
SELECT run_id, seq, (entry ->> 3)::BIGINT AS first_node
FROM step_journal
WHERE kind = 'resumed' AND entry ->> 3 IS NOT NULL;

-- steps that have succeeded and were not reset since
CREATE VIEW completed_steps AS
SELECT run_id, seq, at, node, entry, entry #> '{5,0}' AS result
FROM step_journal AS completed
WHERE kind = 'succeeded'
    AND NOT EXISTS (
        SELECT 1
        FROM step_resets AS reset
        WHERE reset.run_id = completed.run_id AND reset.seq > completed.seq AND reset.first_node <= completed.node
    );

-- Every value a context has ever had.  position: 0 at the start, 2n + 1 right before step n, 2n + 2 right after it; the
-- latest counts.  No value: it was removed.
CREATE VIEW step_context_values AS
SELECT run.run_id AS run_id, part.key AS map, item.key AS name, 0 AS position, 0 AS tie_breaker, item.value AS value
FROM step_runs AS run
CROSS JOIN LATERAL json_each(run.inputs) AS part
CROSS JOIN LATERAL json_each(CASE WHEN json_typeof(part.value) = 'object' THEN part.value ELSE '{}' END) AS item
WHERE part.key IN ('params', 'outputs', 'quality')
UNION ALL
SELECT run_id, 'params', item.key, 2 * node + 1, 1, item.value
FROM step_journal AS overridden
CROSS JOIN LATERAL json_each(
    CASE kind WHEN 'inputs_overridden' THEN overridden.entry #> '{2,override}' ELSE '{}' END
) AS item
WHERE kind = 'inputs_overridden'
UNION ALL
SELECT run_id, 'params', item.value, 2 * node + 1, 0, NULL
FROM step_journal AS overridden
CROSS JOIN LATERAL json_array_elements_text(
    CASE kind WHEN 'inputs_overridden' THEN overridden.entry #> '{2,removed}' ELSE '[]' END
) AS item (value)
WHERE kind = 'inputs_overridden'
UNION ALL
SELECT resumed.run_id, 'params', item.key, 2 * (override.value ->> 0)::BIGINT + 1, override.position + 1, item.value
FROM step_journal AS resumed
CROSS JOIN LATERAL json_array_elements(
    CASE kind WHEN 'resumed' THEN coalesce(resumed.entry #> '{2,*resume_params,resume_params}', '[]') ELSE '[]' END
) WITH ORDINALITY AS override (value, position)
CROSS JOIN LATERAL json_each(override.value -> 1) AS item
WHERE resumed.kind = 'resumed'
    AND NOT EXISTS (
        SELECT 1
        FROM step_journal AS later
        WHERE later.run_id = resumed.run_id
            AND later.seq > resumed.seq
            AND later.kind = 'resumed'
            AND later.entry #> '{2,*resume_params}' IS NOT NULL
    )
UNION ALL
SELECT run_id, 'params', item.key, 2 * node + 2, 0, item.value
FROM completed_steps
CROSS JOIN LATERAL json_each(result -> 'set') AS item
UNION ALL
SELECT
    run.run_id, CASE part.key WHEN 'output' THEN 'outputs' ELSE 'quality' END,
    run.nodes -> completed.node::INTEGER ->> 'name', 2 * completed.node + 2, 0, part.value
FROM step_runs AS run
JOIN completed_steps AS completed ON completed.run_id = run.run_id
CROSS JOIN LATERAL json_each(completed.result) AS part
WHERE part.key IN ('output', 'quality');

-- one row for each step that has succeeded and was not reset since, with the context as it was right after it
CREATE VIEW core_workflow_checkpoints AS
SELECT
    completed.run_id AS run_id,
    run.nodes -> completed.node::INTEGER ->> 'name' AS step_name,
    (
        SELECT json_build_object(
            'run_id', completed.run_id,
            'workflow_name', run.workflow_name,
            'execution', json_build_object(
                'execution_id', completed.run_id,
                'batch_id', run.inputs -> 'batch_id',
                'parent_execution_id', run.inputs -> 'parent_id',
                'started_at', to_char(to_timestamp(run.created_at / 1000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')
                    || '.' || lpad((run.created_at % 1000000)::TEXT, 6, '0') || 'Z'
            ),
            'started_at', to_char(to_timestamp(run.created_at / 1000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')
                || '.' || lpad((run.created_at % 1000000)::TEXT, 6, '0') || 'Z',
            'params', coalesce(json_object_agg(name, value) FILTER (WHERE map = 'params'), '{}'),
            'outputs', coalesce(json_object_agg(name, value) FILTER (WHERE map = 'outputs'), '{}'),
            'partition', coalesce(run.inputs -> 'partition', '{}'),
            'metadata', (
                SELECT coalesce(json_object_agg(item.key, item.value), '{}')
                FROM json_each(coalesce(run.inputs -> 'metadata', '{}')) AS item
                WHERE item.key <> '__visibility__'
            ),
            'quality_metrics', coalesce(json_object_agg(name, value) FILTER (WHERE map = 'quality'), '{}')
        )
        FROM (
            SELECT DISTINCT ON (map, name) map, name, value
            FROM step_context_values
            WHERE run_id = completed.run_id AND position <= 2 * completed.node + 2
            ORDER BY map, name, position DESC, tie_breaker DESC
        ) AS latest
        WHERE value IS NOT NULL AND name <> '__resumed__'
    )::TEXT AS context_snapshot,
    to_char(to_timestamp(completed.at / 1000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')
        || '.' || lpad((completed.at % 1000000)::TEXT, 6, '0') AS created_at,
    run.workflow_name AS workflow_name
FROM step_runs AS run
JOIN completed_steps AS completed ON completed.run_id = run.run_id
WHERE run.checkpoints = 'all'
    OR (run.checkpoints = 'marked' AND (
        completed.result ->> 'checkpoint' = 'true'
        OR (run.finished_at IS NOT NULL AND NOT EXISTS (
            SELECT 1
            FROM journal_events AS later
            WHERE later.run_id = completed.run_id AND later.kind = 'succeeded' AND later.seq > completed.seq
        ))
    ))
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
    (ended.entry ->> 3)::BIGINT AS started_at,
    (ended.entry ->> 4)::BIGINT AS ended_at,
    (
        SELECT (yielded.entry ->> 3)::BIGINT
        FROM step_journal AS yielded
        WHERE yielded.run_id = ended.run_id
            AND yielded.kind IN ('deferred', 'child_runs_requested')
            AND yielded.node = ended.node
            AND yielded.seq < ended.seq
            AND NOT EXISTS (
                SELECT 1
                FROM journal_events AS intervening
                WHERE intervening.run_id = ended.run_id
                    AND intervening.kind IN ('succeeded', 'failed')
                    AND intervening.node = ended.node
                    AND intervening.seq > yielded.seq
                    AND intervening.seq < ended.seq
            )
        ORDER BY yielded.seq DESC
        LIMIT 1
    ) AS first_started_at
FROM step_journal AS ended
WHERE ended.kind IN ('succeeded', 'failed');

-- what happened in a run, in order; position orders what one entry of the journal stands for
CREATE VIEW step_events AS
SELECT run_id, seq, 0 AS position, 'workflow_started' AS event_type, NULL::BIGINT AS node, at, '{}'::JSON AS metadata
FROM step_runs
UNION ALL
SELECT run_id, seq, 1, 'step_started', node, started_at, '{}'
FROM step_attempts
WHERE first_started_at IS NULL
UNION ALL
SELECT run_id, seq, 1, 'step_started', node, (entry ->> 3)::BIGINT, '{}'
FROM step_journal
WHERE kind IN ('deferred', 'child_runs_requested')
UNION ALL
SELECT
    run_id, seq, 2, 'step_waiting', node, (entry ->> 4)::BIGINT,
    json_build_object(
        'until', to_char(to_timestamp((entry ->> 5)::BIGINT / 1000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')
            || '.' || lpad(((entry ->> 5)::BIGINT % 1000000)::TEXT, 6, '0') || 'Z'
    )
FROM step_journal
WHERE kind = 'deferred'
UNION ALL
SELECT
    run_id, seq, 2, 'map_started', node, (entry ->> 4)::BIGINT,
    json_build_object(
        'item_count', json_array_length(CASE kind WHEN 'child_runs_requested' THEN entry -> 5 ELSE '[]' END)
    )
FROM step_journal
WHERE kind = 'child_runs_requested'
UNION ALL
SELECT run_id, seq, 2, 'map_item_' || (entry ->> 4), node, at, json_build_object('item', entry -> 3)
FROM step_journal
WHERE kind = 'child_status_changed' AND entry ->> 4 IN ('completed', 'failed', 'cancelled')
UNION ALL
SELECT attempt.run_id, attempt.seq, 2 + event.position, 'step_event', attempt.node, attempt.ended_at, event.value
FROM step_attempts AS attempt
CROSS JOIN LATERAL json_array_elements(
    CASE attempt.kind WHEN 'succeeded' THEN coalesce(attempt.entry #> '{5,0,events}', '[]') ELSE '[]' END
) WITH ORDINALITY AS event (value, position)
UNION ALL
SELECT
    run_id, seq, 1000000,
    CASE WHEN entry #> '{5,0,skipped}' IS NULL THEN 'step_completed' ELSE 'step_skipped' END,
    node, ended_at,
    CASE WHEN entry #> '{5,0,skipped}' IS NULL
        THEN json_build_object(
            'duration_ms', ((ended_at - coalesce(first_started_at, started_at)) / 1000.0)::DOUBLE PRECISION,
            'output_size', coalesce(octet_length((entry #> '{5,0,output}')::TEXT), 0)
        )
        ELSE json_build_object('reason', entry #> '{5,0,skipped}')
    END
FROM step_attempts
WHERE kind = 'succeeded'
UNION ALL
SELECT
    run_id, seq, 1000000, 'step_failed', node, ended_at,
    json_build_object(
        'duration_ms', ((ended_at - coalesce(first_started_at, started_at)) / 1000.0)::DOUBLE PRECISION,
        'error', entry -> 6,
        'category', entry -> 5
    )
FROM step_attempts
WHERE kind = 'failed'
UNION ALL
SELECT
    run_id, seq, 1000001, 'step_retrying', node, ended_at,
    json_build_object('delay_ms', (greatest(0, (entry ->> 7)::BIGINT - ended_at) / 1000.0)::DOUBLE PRECISION)
FROM step_attempts
WHERE kind = 'failed' AND entry ->> 7 IS NOT NULL
UNION ALL
SELECT
    attempt.run_id, attempt.seq, 1000001, 'workflow_failed', NULL, attempt.at,
    json_build_object('error', attempt.entry -> 6)
FROM step_attempts AS attempt
JOIN step_runs AS run ON run.run_id = attempt.run_id
WHERE attempt.kind = 'failed'
    AND attempt.entry ->> 7 IS NULL
    AND coalesce(run.nodes -> attempt.node::INTEGER ->> 'on_error', 'stop') <> 'ignore'
UNION ALL
SELECT
    skipped.run_id, skipped.seq, 1000000 + node.position, 'step_skipped', node.position - 1, skipped.at,
    json_build_object('reason', skipped.reason)
FROM
    (
        SELECT run_id, seq, at, nodes, coalesce(skipped_ranges, '[]') AS pairs, 'not requested' AS reason
        FROM step_runs
        UNION ALL
        SELECT
            jump.run_id, jump.seq, jump.at, run.nodes,
            CASE json_typeof(jump.entry -> 6) WHEN 'array' THEN jump.entry -> 6 ELSE '[]' END,
            'skipped by ' || (run.nodes -> jump.node::INTEGER ->> 'name')
        FROM step_journal AS jump
        JOIN step_runs AS run ON run.run_id = jump.run_id
        WHERE jump.kind = 'succeeded'
    ) AS skipped
CROSS JOIN LATERAL json_array_elements_text(skipped.pairs) WITH ORDINALITY AS range_edge (name, position)
CROSS JOIN LATERAL json_array_elements(skipped.nodes) WITH ORDINALITY AS node (value, position)
WHERE range_edge.position % 2 = 1
    AND node.position >= (
        SELECT range_start.position
        FROM json_array_elements(skipped.nodes) WITH ORDINALITY AS range_start (value, position)
        WHERE range_start.value ->> 'name' = range_edge.name
    )
    AND node.position < coalesce(
        (
            SELECT range_end.position
            FROM json_array_elements(skipped.nodes) WITH ORDINALITY AS range_end (value, position)
            WHERE range_end.value ->> 'name' = skipped.pairs ->> range_edge.position::INTEGER
        ),
        json_array_length(skipped.nodes) + 1
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
        WHEN 'timed_out' THEN json_build_object('error', entry -> 1)
        ELSE json_build_object('reason', entry -> 1)
    END
FROM step_journal
WHERE kind IN ('resumed', 'timed_out', 'cancel_requested', 'paused')
UNION ALL
SELECT
    run_id, last_seq, 2000000, 'workflow_completed', NULL, finished_at,
    json_build_object('duration_ms', ((finished_at - created_at) / 1000.0)::DOUBLE PRECISION)
FROM step_runs
WHERE status = 'completed';

CREATE VIEW core_workflow_events AS
SELECT
    event.run_id AS run_id,
    event.event_type AS event_type,
    run.nodes -> event.node::INTEGER ->> 'name' AS step_name,
    to_char(to_timestamp(event.at / 1000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')
        || '.' || lpad((event.at % 1000000)::TEXT, 6, '0') || 'Z' AS timestamp,
    event.metadata::TEXT AS metadata,
    run.workflow_name AS workflow_name
FROM step_runs AS run
JOIN step_events AS event ON event.run_id = run.run_id
WHERE run.has_events
ORDER BY event.run_id, event.seq, event.position;
