SELECT pg_terminate_backend(pid, :timeout_ms::BIGINT) FROM pg_stat_activity WHERE usesysid = :role::OID
