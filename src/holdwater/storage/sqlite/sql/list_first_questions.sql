-- The first question of each run: its own, or one of the children whose ids begin with its own and a slash.
-- A run was paused by a request if the last of these in its journal is a pause; few journals have any.
SELECT
    asked.id,
    asked.run_id,
    runs.structure,
    (SELECT min(questions.node) FROM questions WHERE questions.run_id = asked.run_id) AS node,
    EXISTS (
        SELECT 1 FROM journal WHERE journal.run_id = asked.id AND journal.entries LIKE '%["paused",%'
    ) AND (
        SELECT event.kind
        FROM journal_events AS event
        WHERE event.run_id = asked.id AND event.kind IN ('paused', 'resumed')
        ORDER BY event.seq DESC
        LIMIT 1
    ) = 'paused' AS is_suspended
FROM (
    SELECT
        wanted.value AS id,
        COALESCE(
            (SELECT min(questions.run_id) FROM questions WHERE questions.run_id = wanted.value),
            (
                SELECT min(questions.run_id)
                FROM questions
                WHERE questions.run_id > wanted.value || '/' AND questions.run_id < wanted.value || '0'
            )
        ) AS run_id
    FROM json_each(:ids) AS wanted
) AS asked
JOIN runs ON runs.id = asked.run_id
