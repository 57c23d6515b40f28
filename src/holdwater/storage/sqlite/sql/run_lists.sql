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

-- part ordered_scan
-- a merge of ranges of an index needs no sort
{scan}

-- part runs_of_candidates
-- CROSS: the candidates are the outer loop
CROSS JOIN runs ON runs.id = candidate.id
