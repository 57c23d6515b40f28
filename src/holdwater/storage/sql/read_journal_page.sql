SELECT seq, at, entries FROM journal WHERE run_id = :run_id AND seq > :after ORDER BY seq LIMIT :limit
