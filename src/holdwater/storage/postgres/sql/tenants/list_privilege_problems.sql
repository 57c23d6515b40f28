-- What everybody has in this database and a tenant must not have, or lacks and must have.
SELECT 'may create tables in the schema public', 'REVOKE CREATE ON SCHEMA public FROM PUBLIC'
FROM pg_namespace
WHERE nspname = 'public' AND has_schema_privilege(:username::TEXT, oid, 'CREATE')
UNION ALL
SELECT 'may create schemas', format('REVOKE CREATE ON DATABASE %I FROM PUBLIC', current_database())
WHERE has_database_privilege(:username::TEXT, current_database(), 'CREATE')
UNION ALL
SELECT 'may not connect', format('let the owner of the database GRANT CONNECT ON DATABASE %I', current_database())
WHERE NOT has_database_privilege(:username::TEXT, current_database(), 'CONNECT')
