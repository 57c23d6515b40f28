-- in whatever case: names that differ only in that are taken for each other sooner or later
SELECT 'schema', nspname::TEXT FROM pg_namespace WHERE lower(nspname::TEXT) = lower(:schema_name)
UNION ALL
SELECT 'role', rolname::TEXT FROM pg_roles WHERE lower(rolname::TEXT) = lower(:username)
