INSERT INTO run_labels (run_id, key, value, is_child, created_at) VALUES (:run_id, :key, :value, :is_child, :created_at)
