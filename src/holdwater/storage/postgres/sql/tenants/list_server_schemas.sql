-- schemas with the tables of a server, as far as this role may read them
SELECT n.nspname::TEXT, n.oid = current_schema()::regnamespace
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relname = 'served_tenants' AND c.relkind = 'r' AND has_table_privilege(c.oid, 'SELECT')
