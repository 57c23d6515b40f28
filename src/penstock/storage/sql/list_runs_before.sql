SELECT
    id, workflow, style, structure, code, created_at, status, seq, error, reason, finished_at, paused_at, deadline_at,
    idempotency_key, inputs_digest, parent_id, forked_from
FROM runs
WHERE
    (:workflow IS NULL OR workflow = :workflow)
    AND (:status IS NULL OR status = :status)
    AND (:parent_id IS NULL OR parent_id = :parent_id)
    AND id < :before
ORDER BY id DESC
LIMIT :limit
