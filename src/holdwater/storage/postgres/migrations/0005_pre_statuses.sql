-- lists and counts of runs by status; parent_id, so that children are left out without a look at their rows
CREATE INDEX runs_by_status ON runs (status, created_at, id, parent_id);
