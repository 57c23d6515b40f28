-- runs that belong to a run (its children), and runs that were forked from one
ALTER TABLE runs ADD COLUMN parent_id TEXT;

ALTER TABLE runs ADD COLUMN forked_from TEXT;

CREATE INDEX runs_by_parent ON runs (parent_id) WHERE parent_id IS NOT NULL AND finished_at IS NULL;
