-- Parts of the statements that list runs (see `storage/sql/run_lists.sql`).

-- part has_workflow
runs.workflow IN (SELECT value FROM json_each(:workflows))

-- part has_text
(
    substr(runs.id, 1, length(:text)) = :text
    OR substr(runs.id, -length(:text)) = :text
    OR runs.idempotency_key LIKE :pattern ESCAPE '\'
    OR runs.error LIKE :pattern ESCAPE '\'
)
