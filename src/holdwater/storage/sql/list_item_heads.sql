SELECT item_index, digest, status
FROM map_items
WHERE run_id = :run_id AND item_index >= :first_index
ORDER BY item_index
LIMIT :limit
