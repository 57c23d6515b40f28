-- new fires, and other attempts at those that wait
INSERT INTO schedule_executions (
    schedule_id, scheduled_at, state, claimed_at, run_id, reason, context_hash, attempts, phase
)
SELECT *
FROM unnest(
    :schedule_id::TEXT[], :scheduled_at::BIGINT[], :state::TEXT[], :claimed_at::BIGINT[], :run_id::TEXT[],
    :reason::TEXT[], :context_hash::TEXT[], :attempts::BIGINT[], :phase::SMALLINT[]
)
ON CONFLICT (schedule_id, scheduled_at) DO UPDATE
SET
    state = excluded.state, claimed_at = excluded.claimed_at, run_id = excluded.run_id, reason = excluded.reason,
    attempts = excluded.attempts, phase = excluded.phase
