SELECT
    id, workflow, style, structure, code, created_at, status, seq, error, reason, finished_at, paused_at, deadline_at,
    idempotency_key, inputs_digest, parent_id, forked_from
FROM runs
WHERE
    (CAST(:workflow AS TEXT) IS NULL OR workflow = :workflow)
    AND (CAST(:status AS TEXT) IS NULL OR status = :status)
    AND (CAST(:parent_id AS TEXT) IS NULL OR parent_id = :parent_id)
ORDER BY id DESC
LIMIT :limit
