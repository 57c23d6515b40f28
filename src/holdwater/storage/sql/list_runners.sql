SELECT owner, name, host, pid, version, executors, workflows, own_runs_only, state, started_at, seen_at
FROM runners
ORDER BY started_at, owner
