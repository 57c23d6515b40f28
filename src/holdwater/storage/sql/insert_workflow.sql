INSERT INTO workflows (name, announced_at) VALUES (:name, :announced_at) ON CONFLICT (name) DO NOTHING
