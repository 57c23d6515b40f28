INSERT INTO sessions (digest, key_id, is_read_only, created_at, used_at) VALUES (:digest, :key_id, :is_read_only, :created_at, :used_at)
