SELECT pg_advisory_xact_lock(hashtextextended('penstock schema', 0))
