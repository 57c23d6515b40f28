CREATE TABLE server_schema_version (
    number INTEGER PRIMARY KEY,
    phase TEXT NOT NULL,
    name TEXT NOT NULL,
    applied_at BIGINT NOT NULL
)
