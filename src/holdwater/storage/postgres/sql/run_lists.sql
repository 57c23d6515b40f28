-- Parts of the statements that list runs (see `storage/sql/run_lists.sql`).

-- part has_workflow
runs.workflow = ANY(:workflows::TEXT[])

-- part has_text
(
    starts_with(runs.id, :text::TEXT)
    OR right(runs.id, length(:text::TEXT)) = :text::TEXT
    OR lower(runs.idempotency_key COLLATE "C") LIKE lower(:pattern::TEXT COLLATE "C") ESCAPE '\'
    OR lower(runs.error COLLATE "C") LIKE lower(:pattern::TEXT COLLATE "C") ESCAPE '\'
)

-- part ordered_scan
-- the order of each range, or they are not merged but sorted together (PostgreSQL 15)
SELECT at, id FROM ({scan} ORDER BY {order}) AS ordered

-- part runs_of_candidates
-- OFFSET: the candidates are the outer loop, and each run is found by its id
CROSS JOIN LATERAL (SELECT * FROM runs WHERE id = candidate.id OFFSET 0) AS runs
