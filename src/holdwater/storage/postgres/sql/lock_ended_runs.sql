-- one that somebody is writing now, to try it again perhaps, is passed over
SELECT id FROM runs WHERE id = ANY(:ids::TEXT[]) AND finished_at IS NOT NULL ORDER BY id FOR UPDATE SKIP LOCKED
