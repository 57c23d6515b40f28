SELECT number, phase, name FROM server_schema_version ORDER BY number
