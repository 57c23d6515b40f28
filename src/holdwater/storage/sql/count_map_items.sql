SELECT count(*) AS items
FROM map_items
WHERE run_id = :run_id
