INSERT INTO release_archives (release, data) VALUES (:release, :data)
ON CONFLICT (release) DO UPDATE SET data = excluded.data
