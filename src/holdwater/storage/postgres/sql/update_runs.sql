-- Optimistic lock: divides by zero (SQLSTATE 22012), which rolls back, if a run is not at its expected journal length.
WITH changed AS (
    UPDATE runs
    SET
        structure = new.structure, code = new.code, status = new.status, seq = new.seq, error = new.error,
        reason = new.reason, finished_at = new.finished_at, paused_at = new.paused_at, deadline_at = new.deadline_at,
        release = new.release
    FROM unnest(
        :structure::TEXT[], :code::TEXT[], :status::TEXT[], :seq::BIGINT[], :error::TEXT[], :reason::TEXT[],
        :finished_at::BIGINT[], :paused_at::BIGINT[], :deadline_at::BIGINT[], :release::TEXT[], :id::TEXT[], :expected::BIGINT[]
    ) AS new (structure, code, status, seq, error, reason, finished_at, paused_at, deadline_at, release, id, expected)
    WHERE runs.id = new.id AND runs.seq = new.expected
    RETURNING runs.id
)
SELECT 1 / CASE WHEN COUNT(*) = cardinality(:id::TEXT[]) THEN 1 ELSE 0 END FROM changed
