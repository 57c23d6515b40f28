-- bodies are claimed whatever their instant, and what needs no slot when it is due: each has an index of its own
CREATE INDEX work_bodies ON work (due_at, run_id, node, fence, workflow)
WHERE owner IS NULL AND parked = 0 AND kind = 'execute';

DROP INDEX work_to_claim;
