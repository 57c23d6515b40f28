SELECT run_id, item_index, digest, status, ended_at, outputs, error, traceback, inputs
FROM map_items
WHERE run_id = :run_id AND item_index >= :first_index
ORDER BY item_index
LIMIT :limit
