-- layouts of the pictures of plans, a cache.  layout: JSON in the form of this number.
CREATE TABLE drawings (
    structure TEXT COLLATE "C" PRIMARY KEY,
    layout_format INTEGER NOT NULL,
    created_at BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    layout TEXT NOT NULL
);
