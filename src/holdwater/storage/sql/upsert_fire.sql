-- a new fire, or another attempt at one that waits
INSERT INTO schedule_executions (
    schedule_id, scheduled_at, state, claimed_at, run_id, reason, context_hash, attempts, phase
)
VALUES (
    :schedule_id, :scheduled_at, :state, :claimed_at, :run_id, :reason, :context_hash, :attempts, :phase
)
ON CONFLICT (schedule_id, scheduled_at) DO UPDATE
SET
    state = excluded.state, claimed_at = excluded.claimed_at, run_id = excluded.run_id, reason = excluded.reason,
    attempts = excluded.attempts, phase = excluded.phase
