-- what a runner can take although all its slots are busy, however long the queue of bodies is
CREATE INDEX work_timers ON work (due_at, run_id, node, fence)
WHERE owner IS NULL AND parked = 0 AND kind <> 'execute';
