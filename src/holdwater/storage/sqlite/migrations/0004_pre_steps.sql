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

-- how each run began
CREATE VIEW step_runs AS
SELECT
    runs.id AS run_id,
    runs.workflow AS workflow_name,
    runs.status AS status,
    runs.created_at AS created_at,
    runs.finished_at AS finished_at,
    plans.plan AS plan,
    began.seq AS seq,
    began.at AS at,
    json_extract(began.entry, '$[1]."*"') AS given,
    json_extract(began.entry, '$[2]') AS passed,
    coalesce(json_extract(began.entry, '$[1]."*".metadata.__recorded__.checkpoints'), 'all') AS checkpoints,
    coalesce(json_extract(began.entry, '$[1]."*".metadata.__recorded__.events'), 1) AS has_events
FROM runs
JOIN plans ON plans.structure = runs.structure
JOIN step_journal AS began ON began.run_id = runs.id AND began.kind = 'started'
WHERE runs.style = 'steps';

-- from which step on a run was done anew.  (Rows of the journal that cannot have such an event are not parsed.)
CREATE VIEW step_redos AS
SELECT journal.run_id AS run_id, journal.seq + event.key AS seq, json_extract(event.value, '$[3]') AS start
FROM journal, json_each(replace(journal.entries, '\u0000', '\u2400')) AS event
WHERE instr(journal.entries, '["resumed",') > 0
    AND json_extract(event.value, '$[0]') = 'resumed'
    AND json_extract(event.value, '$[3]') IS NOT NULL;

-- One row for each step that has succeeded and was not done anew since, with the context as it was right after it.
-- Values come by their place: 0 at the start, 2n + 1 right before step n, 2n + 2 right after it; the latest counts.
CREATE VIEW core_workflow_checkpoints AS
SELECT
    done.run_id AS run_id,
    json_extract(run.plan, '$.nodes[' || done.node || '].name') AS step_name,
    (
        SELECT json_object(
            'run_id', done.run_id,
            'workflow_name', run.workflow_name,
            'execution', json_object(
                'execution_id', done.run_id,
                'batch_id', json_extract(run.given, '$.batch_id'),
                'parent_execution_id', json_extract(run.given, '$.parent_id'),
                'started_at', strftime('%Y-%m-%dT%H:%M:%S', run.created_at / 1000000, 'unixepoch')
                    || printf('.%06dZ', run.created_at % 1000000)
            ),
            'started_at', strftime('%Y-%m-%dT%H:%M:%S', run.created_at / 1000000, 'unixepoch')
                || printf('.%06dZ', run.created_at % 1000000),
            'params', json_group_object(name, json(text)) FILTER (WHERE map = 'params'),
            'outputs', json_group_object(name, json(text)) FILTER (WHERE map = 'outputs'),
            'partition', json(coalesce(json_extract(run.given, '$.partition'), '{}')),
            'metadata', json_remove(coalesce(json_extract(run.given, '$.metadata'), '{}'), '$.__recorded__'),
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
                max(place * 1000000 + turn)
            FROM (
                SELECT map.key AS map, item.key AS name, 0 AS place, 0 AS turn, item.type AS type, item.value AS value
                FROM json_each(run.given) AS map, json_each(map.value) AS item
                WHERE map.key IN ('params', 'outputs', 'quality')
                UNION ALL
                SELECT
                    'params',
                    CASE change.key WHEN 'edit' THEN item.key ELSE item.value END,
                    2 * json_extract(event.value, '$[1]') + 1,
                    CASE change.key WHEN 'edit' THEN 1 ELSE 0 END,
                    CASE change.key WHEN 'edit' THEN item.type ELSE 'removed' END,
                    item.value
                FROM
                    journal,
                    json_each(replace(journal.entries, '\u0000', '\u2400')) AS event,
                    json_each(event.value, '$[2]') AS change,
                    json_each(change.value) AS item
                WHERE journal.run_id = done.run_id
                    AND instr(journal.entries, '["edited",') > 0
                    AND json_extract(event.value, '$[0]') = 'edited'
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
                        SELECT json_extract(event.value, '$[2]."*override".given') AS given
                        FROM journal, json_each(replace(journal.entries, '\u0000', '\u2400')) AS event
                        WHERE journal.run_id = done.run_id
                            AND instr(journal.entries, '"*override"') > 0
                            AND json_extract(event.value, '$[0]') = 'resumed'
                            AND json_extract(event.value, '$[2]."*override"') IS NOT NULL
                        ORDER BY journal.seq + event.key DESC
                        LIMIT 1
                    ) AS latest,
                    json_each(latest.given) AS override,
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
                        SELECT json_group_array(json_array(seq, start)) AS list
                        FROM step_redos
                        WHERE run_id = done.run_id
                    ) AS redos,
                    journal,
                    json_each(replace(journal.entries, '\u0000', '\u2400')) AS event,
                    json_each(event.value, '$[5][0]') AS part,
                    json_each(CASE part.key WHEN 'set' THEN part.value ELSE '[0]' END) AS item
                WHERE journal.run_id = done.run_id
                    AND journal.seq <= done.seq
                    AND json_extract(event.value, '$[0]') = 'ok'
                    AND part.key IN ('set', 'output', 'quality')
                    AND NOT EXISTS (
                        SELECT 1
                        FROM json_each(redos.list) AS redo
                        WHERE json_extract(redo.value, '$[0]') > journal.seq + event.key
                            AND json_extract(redo.value, '$[1]') <= json_extract(event.value, '$[1]')
                    )
            )
            WHERE place <= 2 * done.node + 2
            GROUP BY map, name
        )
        WHERE text IS NOT NULL AND name <> '__resumed__'
    ) AS context_snapshot,
    strftime('%Y-%m-%d %H:%M:%S', done.at / 1000000, 'unixepoch') || printf('.%06d', done.at % 1000000) AS created_at,
    run.workflow_name AS workflow_name
FROM step_runs AS run
JOIN step_journal AS done ON done.run_id = run.run_id AND done.kind = 'ok'
WHERE NOT EXISTS (
        SELECT 1
        FROM step_redos AS redo
        WHERE redo.run_id = done.run_id AND redo.seq > done.seq AND redo.start <= done.node
    )
    AND (
        run.checkpoints = 'all'
        OR (run.checkpoints = 'marked' AND (
            json_extract(done.entry, '$[5][0].checkpoint') = 1
            OR (run.finished_at IS NOT NULL AND NOT EXISTS (
                SELECT 1
                FROM step_journal AS later
                WHERE later.run_id = done.run_id AND later.kind = 'ok' AND later.seq > done.seq
            ))
        ))
    )
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
    json_extract(ended.entry, '$[3]') AS began_at,
    json_extract(ended.entry, '$[4]') AS ended_at,
    (
        SELECT json_extract(event.value, '$[3]')
        FROM journal, json_each(replace(journal.entries, '\u0000', '\u2400')) AS event
        WHERE journal.run_id = ended.run_id
            AND (instr(journal.entries, '["deferred",') > 0 OR instr(journal.entries, '["fanned_out",') > 0)
            AND json_extract(event.value, '$[0]') IN ('deferred', 'fanned_out')
            AND json_extract(event.value, '$[1]') = ended.node
            AND journal.seq + event.key < ended.seq
            AND NOT EXISTS (
                SELECT 1
                FROM step_journal AS between_them
                WHERE between_them.run_id = ended.run_id
                    AND between_them.kind IN ('ok', 'fail')
                    AND between_them.node = ended.node
                    AND between_them.seq > journal.seq + event.key
                    AND between_them.seq < ended.seq
            )
        ORDER BY journal.seq + event.key DESC
        LIMIT 1
    ) AS since
FROM step_journal AS ended
WHERE ended.kind IN ('ok', 'fail');

-- what happened in a run, in order; place orders what one entry of the journal stands for
CREATE VIEW step_events AS
SELECT run_id, seq, 0 AS place, 'workflow_started' AS event_type, NULL AS node, at, '{}' AS metadata
FROM step_runs
UNION ALL
SELECT run_id, seq, 1, 'step_started', node, began_at, '{}'
FROM step_attempts
WHERE since IS NULL
UNION ALL
SELECT run_id, seq, 1, 'step_started', node, json_extract(entry, '$[3]'), '{}'
FROM step_journal
WHERE kind IN ('deferred', 'fanned_out')
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
WHERE kind = 'fanned_out'
UNION ALL
SELECT
    run_id, seq, 2, 'map_item_' || json_extract(entry, '$[4]'), node, at,
    json_object('item', json_extract(entry, '$[3]'))
FROM step_journal
WHERE kind = 'child_moved' AND json_extract(entry, '$[4]') IN ('completed', 'failed', 'cancelled')
UNION ALL
SELECT
    attempt.run_id, attempt.seq, 3 + event.key, 'step_event', attempt.node, attempt.ended_at,
    json(event.value)
FROM step_attempts AS attempt, json_each(attempt.entry, '$[5][0].events') AS event
WHERE attempt.kind = 'ok'
UNION ALL
SELECT
    run_id, seq, 1000000,
    CASE WHEN json_extract(entry, '$[5][0].skipped') IS NULL THEN 'step_completed' ELSE 'step_skipped' END,
    node, ended_at,
    CASE WHEN json_extract(entry, '$[5][0].skipped') IS NULL
        THEN json_object(
            'duration_ms', (ended_at - coalesce(since, began_at)) / 1000.0,
            'output_size', coalesce(length(CAST(json_extract(entry, '$[5][0].output') AS BLOB)), 0)
        )
        ELSE json_object('reason', json_extract(entry, '$[5][0].skipped'))
    END
FROM step_attempts
WHERE kind = 'ok'
UNION ALL
SELECT
    run_id, seq, 1000000, 'step_failed', node, ended_at,
    json_object(
        'duration_ms', (ended_at - coalesce(since, began_at)) / 1000.0,
        'error', json_extract(entry, '$[6]'),
        'category', json_extract(entry, '$[5]')
    )
FROM step_attempts
WHERE kind = 'fail'
UNION ALL
SELECT
    run_id, seq, 1000001, 'step_retrying', node, ended_at,
    json_object('delay_ms', max(0, json_extract(entry, '$[7]') - ended_at) / 1000.0)
FROM step_attempts
WHERE kind = 'fail' AND json_extract(entry, '$[7]') IS NOT NULL
UNION ALL
SELECT
    attempt.run_id, attempt.seq, 1000001, 'workflow_failed', NULL, attempt.at,
    json_object('error', json_extract(attempt.entry, '$[6]'))
FROM step_attempts AS attempt
JOIN step_runs AS run ON run.run_id = attempt.run_id
WHERE attempt.kind = 'fail'
    AND json_extract(attempt.entry, '$[7]') IS NULL
    AND coalesce(json_extract(run.plan, '$.nodes[' || attempt.node || '].on_error'), 'stop') <> 'ignore'
UNION ALL
SELECT
    passed.run_id, passed.seq, 1000001 + node.key, 'step_skipped', node.key, passed.at,
    json_object('reason', passed.reason)
FROM
    (
        SELECT run_id, seq, at, plan, passed AS pairs, 'not asked for' AS reason
        FROM step_runs
        WHERE passed IS NOT NULL
        UNION ALL
        SELECT
            chosen.run_id, chosen.seq, chosen.at, run.plan, json_extract(chosen.entry, '$[6]'),
            'passed over by ' || json_extract(run.plan, '$.nodes[' || chosen.node || '].name')
        FROM step_journal AS chosen
        JOIN step_runs AS run ON run.run_id = chosen.run_id
        WHERE chosen.kind = 'ok' AND json_type(chosen.entry, '$[6]') = 'array'
    ) AS passed,
    json_each(passed.pairs) AS first,
    json_each(passed.plan, '$.nodes') AS node
WHERE first.key % 2 = 0
    AND node.key >= (
        SELECT key FROM json_each(passed.plan, '$.nodes') WHERE json_extract(value, '$.name') = first.value
    )
    AND node.key < coalesce(
        (
            SELECT key
            FROM json_each(passed.plan, '$.nodes')
            WHERE json_extract(value, '$.name') = json_extract(passed.pairs, '$[' || (first.key + 1) || ']')
        ),
        json_array_length(passed.plan, '$.nodes')
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
ORDER BY event.run_id, event.seq, event.place;
