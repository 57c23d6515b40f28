SELECT number, phase, name FROM schema_version ORDER BY number
