INSERT INTO runs (
    id, workflow, style, structure, code, created_at, status, seq, error, reason, finished_at, paused_at, deadline_at,
    idempotency_key, inputs_digest, parent_id, forked_from, origin, started_by, labels_json, traceparent, release
)
SELECT *
FROM unnest(
    :id::TEXT[], :workflow::TEXT[], :style::TEXT[], :structure::TEXT[], :code::TEXT[], :created_at::BIGINT[],
    :status::TEXT[], :seq::BIGINT[], :error::TEXT[], :reason::TEXT[], :finished_at::BIGINT[], :paused_at::BIGINT[],
    :deadline_at::BIGINT[], :idempotency_key::TEXT[], :inputs_digest::TEXT[], :parent_id::TEXT[], :forked_from::TEXT[],
    :origin::TEXT[], :started_by::TEXT[], :labels_json::TEXT[], :traceparent::TEXT[], :release::TEXT[]
)
