-- phase: code of the previous release works after a 'pre' migration, but not after a 'post' one
CREATE TABLE schema_version (
    number INTEGER PRIMARY KEY,
    phase TEXT NOT NULL CHECK (phase IN ('pre', 'post')),
    name TEXT NOT NULL,
    applied_at INTEGER NOT NULL
)
