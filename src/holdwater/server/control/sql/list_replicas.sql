SELECT id, host, pid, version, address, state, started_at, seen_at, awake FROM replicas ORDER BY started_at, id
