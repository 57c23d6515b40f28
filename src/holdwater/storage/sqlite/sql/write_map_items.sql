-- a completed item stays when the same item is written as failed: it was executed twice
INSERT INTO map_items (run_id, item_index, digest, status, ended_at, outputs, error, traceback, inputs)
VALUES (:run_id, :item_index, :digest, :status, :ended_at, :outputs, :error, :traceback, :inputs)
ON CONFLICT (run_id, item_index) DO UPDATE
SET digest = excluded.digest,
    status = excluded.status,
    ended_at = excluded.ended_at,
    outputs = excluded.outputs,
    error = excluded.error,
    traceback = excluded.traceback,
    inputs = excluded.inputs
WHERE map_items.status = 'failed' OR excluded.status = 'completed' OR map_items.digest <> excluded.digest
