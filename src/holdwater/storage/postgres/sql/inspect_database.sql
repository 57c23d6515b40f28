SELECT
    current_setting('server_version'),
    pg_database_size(current_database()),
    NOT pg_is_in_recovery() AND has_table_privilege('runs', 'INSERT') AND has_table_privilege('runs', 'UPDATE'),
    (SELECT COUNT(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
    current_setting('max_connections')::INTEGER
