INSERT INTO tickets (digest, key_id, expires_at) VALUES (:digest, :key_id, :expires_at)
