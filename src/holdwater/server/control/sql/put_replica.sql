INSERT INTO replicas (id, host, pid, version, address, started_at, seen_at, state, awake)
VALUES (:id, :host, :pid, :version, :address, :started_at, :seen_at, :state, :awake)
ON CONFLICT (id) DO UPDATE SET seen_at = EXCLUDED.seen_at, state = EXCLUDED.state, awake = EXCLUDED.awake
