INSERT INTO workflows (name, registered_at) VALUES (:name, :registered_at) ON CONFLICT (name) DO NOTHING
