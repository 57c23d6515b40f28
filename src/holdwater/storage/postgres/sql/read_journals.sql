SELECT run_id, seq, at, entries FROM journal WHERE run_id = ANY(:ids::TEXT[]) ORDER BY run_id, seq
