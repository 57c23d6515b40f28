-- The catalog: what a workflow is, so that a process without its code can show it and start it.  Null: only its name is
-- known.  descriptor, nodes: JSON, about the workflow and about each node.  digest: of all that is announced.
-- release: of the package it came in; null: code of the runner's own process.  seen_at: latest start of a runner with it
ALTER TABLE workflows ADD COLUMN style TEXT;

ALTER TABLE workflows ADD COLUMN structure TEXT;

ALTER TABLE workflows ADD COLUMN code TEXT;

ALTER TABLE workflows ADD COLUMN descriptor TEXT;

ALTER TABLE workflows ADD COLUMN nodes TEXT;

ALTER TABLE workflows ADD COLUMN digest TEXT;

ALTER TABLE workflows ADD COLUMN release TEXT;

ALTER TABLE workflows ADD COLUMN seen_at INTEGER;

-- runners with their latest heartbeats.  executors: JSON object, slots by name.  workflows: JSON array of names.
-- own_runs_only: 1 if it takes work of its own runs alone.  state: running or draining
CREATE TABLE runners (
    owner TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    version TEXT NOT NULL,
    executors TEXT NOT NULL,
    workflows TEXT NOT NULL,
    own_runs_only INTEGER NOT NULL,
    state TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL
) WITHOUT ROWID;
