SELECT pg_advisory_xact_lock(hashtextextended('holdwater schema', 0))
