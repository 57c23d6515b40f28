-- Rows, and nothing else: no table of its own, no trigger on these.
GRANT CONNECT ON DATABASE {database} TO {username};
GRANT USAGE ON SCHEMA {schema} TO {username};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {username};
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {username};
ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {username};
ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT USAGE, SELECT ON SEQUENCES TO {username};
REVOKE INSERT, UPDATE, DELETE ON {schema}.schema_version, {schema}.notify_channel FROM {username};
