SELECT
    id, workflow, style, structure, code, created_at, status, seq, error, reason, finished_at, paused_at, deadline_at,
    idempotency_key, inputs_digest, parent_id, forked_from, origin, started_by, labels_json, traceparent, release
FROM runs
WHERE id = ANY(:ids::TEXT[])
