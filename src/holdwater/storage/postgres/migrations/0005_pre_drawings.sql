-- layouts of pictures, a cache.  digest: of the picture; layout: JSON in the form of this number.
CREATE TABLE drawings (
    digest TEXT COLLATE "C" PRIMARY KEY,
    layout_format INTEGER NOT NULL,
    created_at BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    layout TEXT NOT NULL
);
