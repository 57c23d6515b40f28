-- the order of births, and what it takes to pass over children without a look at their rows
CREATE INDEX runs_by_birth ON runs (created_at, id, parent_id);

CREATE INDEX runs_by_family ON runs (parent_id, created_at, id) WHERE parent_id IS NOT NULL;

CREATE INDEX runs_by_end ON runs (finished_at, id) WHERE parent_id IS NULL AND finished_at IS NOT NULL;
