SELECT count(*) FROM pg_stat_activity WHERE usesysid = :role::OID
