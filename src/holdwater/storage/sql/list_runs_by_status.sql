-- :top_level_only 1: without children
SELECT
    id, workflow, style, structure, code, created_at, status, seq, error, reason, finished_at, paused_at, deadline_at,
    idempotency_key, inputs_digest, parent_id, forked_from, origin, started_by, labels_json, traceparent
FROM runs
WHERE
    status = :status
    AND (created_at, id) < (:created_before, :before_id)
    AND created_at >= :created_since
    AND (CAST(:workflow AS TEXT) IS NULL OR workflow = :workflow)
    AND (CAST(:top_level_only AS INTEGER) = 0 OR parent_id IS NULL)
ORDER BY created_at DESC, id DESC
LIMIT :limit OFFSET :offset
