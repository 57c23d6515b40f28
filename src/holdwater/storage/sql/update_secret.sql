UPDATE secrets
SET field_names = :field_names, sealed = :sealed, key_id = :key_id, updated_at = :updated_at, updated_by = :updated_by
WHERE name = :name AND sealed = :expected_sealed
