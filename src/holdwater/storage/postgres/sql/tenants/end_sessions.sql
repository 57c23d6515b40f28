SELECT pg_terminate_backend(pid, :patience_ms::BIGINT) FROM pg_stat_activity WHERE usesysid = :role::OID
