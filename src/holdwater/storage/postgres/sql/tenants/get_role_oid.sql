SELECT oid FROM pg_roles WHERE rolname = :username
