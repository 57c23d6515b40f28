-- connections: pg_stat_activity hides what kind of session it is where it is of another role, as it is for a tenant
SELECT
    current_setting('server_version'),
    pg_database_size(current_database()),
    NOT pg_is_in_recovery() AND has_table_privilege('runs', 'INSERT') AND has_table_privilege('runs', 'UPDATE'),
    (SELECT SUM(numbackends)::INTEGER FROM pg_stat_database),
    current_setting('max_connections')::INTEGER
