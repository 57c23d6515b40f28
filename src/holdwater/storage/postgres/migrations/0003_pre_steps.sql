-- Runs of steps, in the shape people who look at them with a SQL prompt expect.  Everything is cut out of the journal,
-- and nothing is stored twice.  No window functions: a condition on run_id must reach the tables.

-- The journal with its entries as JSON.  Text here has no NUL: the sign for it is shown instead.
CREATE VIEW step_journal AS
SELECT run_id, seq, at, kind, node, replace(entry, '\u0000', '\u2400')::JSON AS entry
FROM journal_events;

-- how each run began
CREATE VIEW step_runs AS
SELECT
    runs.id AS run_id,
    runs.workflow AS workflow_name,
    runs.status AS status,
    runs.seq AS last_seq,
    runs.created_at AS created_at,
    runs.finished_at AS finished_at,
    plans.plan::JSON -> 'nodes' AS nodes,
    began.seq AS seq,
    began.at AS at,
    began.entry #> '{1,*}' AS given,
    began.entry -> 2 AS passed,
    coalesce(began.entry #>> '{1,*,metadata,__recorded__,checkpoints}', 'all') AS checkpoints,
    coalesce(began.entry #>> '{1,*,metadata,__recorded__,events}', 'true') = 'true' AS has_events
FROM runs
JOIN plans ON plans.structure = runs.structure
JOIN step_journal AS began ON began.run_id = runs.id AND began.kind = 'started'
WHERE runs.style = 'steps';

-- from which step on a run was done anew
CREATE VIEW step_redos AS
SELECT run_id, seq, (entry ->> 3)::BIGINT AS start
FROM step_journal
WHERE kind = 'resumed' AND entry ->> 3 IS NOT NULL;

-- steps that have succeeded and were not done anew since
CREATE VIEW steps_done AS
SELECT run_id, seq, at, node, entry, entry #> '{5,0}' AS cell
FROM step_journal AS done
WHERE kind = 'ok'
    AND NOT EXISTS (
        SELECT 1
        FROM step_redos AS redo
        WHERE redo.run_id = done.run_id AND redo.seq > done.seq AND redo.start <= done.node
    );

-- Every value a context has ever had.  place: 0 at the start, 2n + 1 right before step n, 2n + 2 right after it; the
-- latest counts.  No value: it was removed.
CREATE VIEW step_values AS
SELECT run.run_id AS run_id, part.key AS map, item.key AS name, 0 AS place, 0 AS turn, item.value AS value
FROM step_runs AS run
CROSS JOIN LATERAL json_each(run.given) AS part
CROSS JOIN LATERAL json_each(CASE WHEN json_typeof(part.value) = 'object' THEN part.value ELSE '{}' END) AS item
WHERE part.key IN ('params', 'outputs', 'quality')
UNION ALL
SELECT run_id, 'params', item.key, 2 * node + 1, 1, item.value
FROM step_journal AS edited
CROSS JOIN LATERAL json_each(CASE kind WHEN 'edited' THEN edited.entry #> '{2,edit}' ELSE '{}' END) AS item
WHERE kind = 'edited'
UNION ALL
SELECT run_id, 'params', item.value, 2 * node + 1, 0, NULL
FROM step_journal AS edited
CROSS JOIN LATERAL json_array_elements_text(CASE kind WHEN 'edited' THEN edited.entry #> '{2,removed}' ELSE '[]' END)
    AS item (value)
WHERE kind = 'edited'
UNION ALL
SELECT resumed.run_id, 'params', item.key, 2 * (override.value ->> 0)::BIGINT + 1, override.place + 1, item.value
FROM step_journal AS resumed
CROSS JOIN LATERAL json_array_elements(
    CASE kind WHEN 'resumed' THEN coalesce(resumed.entry #> '{2,*override,given}', '[]') ELSE '[]' END
) WITH ORDINALITY AS override (value, place)
CROSS JOIN LATERAL json_each(override.value -> 1) AS item
WHERE resumed.kind = 'resumed'
    AND NOT EXISTS (
        SELECT 1
        FROM step_journal AS later
        WHERE later.run_id = resumed.run_id
            AND later.seq > resumed.seq
            AND later.kind = 'resumed'
            AND later.entry #> '{2,*override}' IS NOT NULL
    )
UNION ALL
SELECT run_id, 'params', item.key, 2 * node + 2, 0, item.value
FROM steps_done
CROSS JOIN LATERAL json_each(cell -> 'set') AS item
UNION ALL
SELECT
    run.run_id, CASE part.key WHEN 'output' THEN 'outputs' ELSE 'quality' END,
    run.nodes -> done.node::INTEGER ->> 'name', 2 * done.node + 2, 0, part.value
FROM step_runs AS run
JOIN steps_done AS done ON done.run_id = run.run_id
CROSS JOIN LATERAL json_each(done.cell) AS part
WHERE part.key IN ('output', 'quality');

-- one row for each step that has succeeded and was not done anew since, with the context as it was right after it
CREATE VIEW core_workflow_checkpoints AS
SELECT
    done.run_id AS run_id,
    run.nodes -> done.node::INTEGER ->> 'name' AS step_name,
    (
        SELECT json_build_object(
            'run_id', done.run_id,
            'workflow_name', run.workflow_name,
            'execution', json_build_object(
                'execution_id', done.run_id,
                'batch_id', run.given -> 'batch_id',
                'parent_execution_id', run.given -> 'parent_id',
                'started_at', to_char(to_timestamp(run.created_at / 1000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')
                    || '.' || lpad((run.created_at % 1000000)::TEXT, 6, '0') || 'Z'
            ),
            'started_at', to_char(to_timestamp(run.created_at / 1000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')
                || '.' || lpad((run.created_at % 1000000)::TEXT, 6, '0') || 'Z',
            'params', coalesce(json_object_agg(name, value) FILTER (WHERE map = 'params'), '{}'),
            'outputs', coalesce(json_object_agg(name, value) FILTER (WHERE map = 'outputs'), '{}'),
            'partition', coalesce(run.given -> 'partition', '{}'),
            'metadata', (
                SELECT coalesce(json_object_agg(item.key, item.value), '{}')
                FROM json_each(coalesce(run.given -> 'metadata', '{}')) AS item
                WHERE item.key <> '__recorded__'
            ),
            'quality_metrics', coalesce(json_object_agg(name, value) FILTER (WHERE map = 'quality'), '{}')
        )
        FROM (
            SELECT DISTINCT ON (map, name) map, name, value
            FROM step_values
            WHERE run_id = done.run_id AND place <= 2 * done.node + 2
            ORDER BY map, name, place DESC, turn DESC
        ) AS latest
        WHERE value IS NOT NULL AND name <> '__resumed__'
    )::TEXT AS context_snapshot,
    to_char(to_timestamp(done.at / 1000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')
        || '.' || lpad((done.at % 1000000)::TEXT, 6, '0') AS created_at,
    run.workflow_name AS workflow_name
FROM step_runs AS run
JOIN steps_done AS done ON done.run_id = run.run_id
WHERE run.checkpoints = 'all'
    OR (run.checkpoints = 'marked' AND (
        done.cell ->> 'checkpoint' = 'true'
        OR (run.finished_at IS NOT NULL AND NOT EXISTS (
            SELECT 1
            FROM journal_events AS later
            WHERE later.run_id = done.run_id AND later.kind = 'ok' AND later.seq > done.seq
        ))
    ))
ORDER BY done.run_id, done.node;

-- Ends of attempts.  since: when it began, if its body was called more than once (a wait, a map).
CREATE VIEW step_attempts AS
SELECT
    ended.run_id AS run_id,
    ended.seq AS seq,
    ended.at AS at,
    ended.node AS node,
    ended.kind AS kind,
    ended.entry AS entry,
    (ended.entry ->> 3)::BIGINT AS began_at,
    (ended.entry ->> 4)::BIGINT AS ended_at,
    (
        SELECT (asked.entry ->> 3)::BIGINT
        FROM step_journal AS asked
        WHERE asked.run_id = ended.run_id
            AND asked.kind IN ('deferred', 'fanned_out')
            AND asked.node = ended.node
            AND asked.seq < ended.seq
            AND NOT EXISTS (
                SELECT 1
                FROM journal_events AS between_them
                WHERE between_them.run_id = ended.run_id
                    AND between_them.kind IN ('ok', 'fail')
                    AND between_them.node = ended.node
                    AND between_them.seq > asked.seq
                    AND between_them.seq < ended.seq
            )
        ORDER BY asked.seq DESC
        LIMIT 1
    ) AS since
FROM step_journal AS ended
WHERE ended.kind IN ('ok', 'fail');

-- what happened in a run, in order; place orders what one entry of the journal stands for
CREATE VIEW step_events AS
SELECT run_id, seq, 0 AS place, 'workflow_started' AS event_type, NULL::BIGINT AS node, at, '{}'::JSON AS metadata
FROM step_runs
UNION ALL
SELECT run_id, seq, 1, 'step_started', node, began_at, '{}'
FROM step_attempts
WHERE since IS NULL
UNION ALL
SELECT run_id, seq, 1, 'step_started', node, (entry ->> 3)::BIGINT, '{}'
FROM step_journal
WHERE kind IN ('deferred', 'fanned_out')
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
    json_build_object('item_count', json_array_length(CASE kind WHEN 'fanned_out' THEN entry -> 5 ELSE '[]' END))
FROM step_journal
WHERE kind = 'fanned_out'
UNION ALL
SELECT run_id, seq, 2, 'map_item_' || (entry ->> 4), node, at, json_build_object('item', entry -> 3)
FROM step_journal
WHERE kind = 'child_moved' AND entry ->> 4 IN ('completed', 'failed', 'cancelled')
UNION ALL
SELECT attempt.run_id, attempt.seq, 2 + event.place, 'step_event', attempt.node, attempt.ended_at, event.value
FROM step_attempts AS attempt
CROSS JOIN LATERAL json_array_elements(
    CASE attempt.kind WHEN 'ok' THEN coalesce(attempt.entry #> '{5,0,events}', '[]') ELSE '[]' END
) WITH ORDINALITY AS event (value, place)
UNION ALL
SELECT
    run_id, seq, 1000000,
    CASE WHEN entry #> '{5,0,skipped}' IS NULL THEN 'step_completed' ELSE 'step_skipped' END,
    node, ended_at,
    CASE WHEN entry #> '{5,0,skipped}' IS NULL
        THEN json_build_object(
            'duration_ms', ((ended_at - coalesce(since, began_at)) / 1000.0)::DOUBLE PRECISION,
            'output_size', coalesce(octet_length((entry #> '{5,0,output}')::TEXT), 0)
        )
        ELSE json_build_object('reason', entry #> '{5,0,skipped}')
    END
FROM step_attempts
WHERE kind = 'ok'
UNION ALL
SELECT
    run_id, seq, 1000000, 'step_failed', node, ended_at,
    json_build_object(
        'duration_ms', ((ended_at - coalesce(since, began_at)) / 1000.0)::DOUBLE PRECISION,
        'error', entry -> 6,
        'category', entry -> 5
    )
FROM step_attempts
WHERE kind = 'fail'
UNION ALL
SELECT
    run_id, seq, 1000001, 'step_retrying', node, ended_at,
    json_build_object('delay_ms', (greatest(0, (entry ->> 7)::BIGINT - ended_at) / 1000.0)::DOUBLE PRECISION)
FROM step_attempts
WHERE kind = 'fail' AND entry ->> 7 IS NOT NULL
UNION ALL
SELECT
    attempt.run_id, attempt.seq, 1000001, 'workflow_failed', NULL, attempt.at,
    json_build_object('error', attempt.entry -> 6)
FROM step_attempts AS attempt
JOIN step_runs AS run ON run.run_id = attempt.run_id
WHERE attempt.kind = 'fail'
    AND attempt.entry ->> 7 IS NULL
    AND coalesce(run.nodes -> attempt.node::INTEGER ->> 'on_error', 'stop') <> 'ignore'
UNION ALL
SELECT
    passed.run_id, passed.seq, 1000000 + node.place, 'step_skipped', node.place - 1, passed.at,
    json_build_object('reason', passed.reason)
FROM
    (
        SELECT run_id, seq, at, nodes, coalesce(passed, '[]') AS pairs, 'not asked for' AS reason
        FROM step_runs
        UNION ALL
        SELECT
            chosen.run_id, chosen.seq, chosen.at, run.nodes,
            CASE json_typeof(chosen.entry -> 6) WHEN 'array' THEN chosen.entry -> 6 ELSE '[]' END,
            'passed over by ' || (run.nodes -> chosen.node::INTEGER ->> 'name')
        FROM step_journal AS chosen
        JOIN step_runs AS run ON run.run_id = chosen.run_id
        WHERE chosen.kind = 'ok'
    ) AS passed
CROSS JOIN LATERAL json_array_elements_text(passed.pairs) WITH ORDINALITY AS first (name, place)
CROSS JOIN LATERAL json_array_elements(passed.nodes) WITH ORDINALITY AS node (value, place)
WHERE first.place % 2 = 1
    AND node.place >= (
        SELECT begin_.place
        FROM json_array_elements(passed.nodes) WITH ORDINALITY AS begin_ (value, place)
        WHERE begin_.value ->> 'name' = first.name
    )
    AND node.place < coalesce(
        (
            SELECT end_.place
            FROM json_array_elements(passed.nodes) WITH ORDINALITY AS end_ (value, place)
            WHERE end_.value ->> 'name' = passed.pairs ->> first.place::INTEGER
        ),
        json_array_length(passed.nodes) + 1
    )
UNION ALL
SELECT run_id, seq, 1, 'step_abandoned', node, at, '{}'
FROM step_journal
WHERE kind = 'abandoned'
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
ORDER BY event.run_id, event.seq, event.place;
