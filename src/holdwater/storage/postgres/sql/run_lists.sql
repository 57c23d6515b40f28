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
