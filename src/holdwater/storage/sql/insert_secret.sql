INSERT INTO secrets (name, id, field_names, sealed, key_id, created_at, created_by, updated_at, updated_by)
VALUES (:name, :id, :field_names, :sealed, :key_id, :created_at, :created_by, :updated_at, :updated_by)
ON CONFLICT (name) DO NOTHING
