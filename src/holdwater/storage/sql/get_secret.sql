SELECT name, id, field_names, sealed, key_id, created_at, created_by, updated_at, updated_by
FROM secrets
WHERE name = :name
