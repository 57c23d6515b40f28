-- phase: 'pre' is what older code survives, 'post' is what it does not
CREATE TABLE schema_version (
    number INTEGER PRIMARY KEY,
    phase TEXT NOT NULL CHECK (phase IN ('pre', 'post')),
    name TEXT NOT NULL,
    applied_at INTEGER NOT NULL
)
