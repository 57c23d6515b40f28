-- SKIP LOCKED: a run that another transaction is writing, perhaps to retry it, is left for the next pruning
SELECT id FROM runs WHERE id = ANY(:ids::TEXT[]) AND finished_at IS NOT NULL ORDER BY id FOR UPDATE SKIP LOCKED
