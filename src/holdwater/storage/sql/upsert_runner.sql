INSERT INTO runners (
    owner, name, host, pid, version, executors, workflows, own_runs_only, state, started_at, seen_at
)
VALUES (
    :owner, :name, :host, :pid, :version, :executors, :workflows, :own_runs_only, :state, :started_at, :seen_at
)
ON CONFLICT (owner) DO UPDATE SET
    executors = excluded.executors,
    workflows = excluded.workflows,
    state = excluded.state,
    seen_at = excluded.seen_at
