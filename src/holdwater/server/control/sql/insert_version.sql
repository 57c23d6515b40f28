INSERT INTO server_schema_version (number, phase, name, applied_at) VALUES (:number, :phase, :name, :applied_at)
