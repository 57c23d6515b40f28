-- layouts of pictures, a cache.  digest: of the picture; layout: JSON in the form of this number.
CREATE TABLE drawings (
    digest TEXT PRIMARY KEY,
    layout_format INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    layout TEXT NOT NULL
);

CREATE INDEX drawings_by_age ON drawings (created_at DESC, digest, bytes);
