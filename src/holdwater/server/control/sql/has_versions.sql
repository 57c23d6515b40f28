SELECT 1 FROM pg_class WHERE relname = 'server_schema_version' AND relnamespace = current_schema()::regnamespace
