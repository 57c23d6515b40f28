DELETE FROM map_items WHERE run_id = :run_id AND item_index >= :first_index
