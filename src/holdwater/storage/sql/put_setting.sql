INSERT INTO settings (name, value, changed_at, changed_by)
VALUES (:name, :value, :changed_at, :changed_by)
ON CONFLICT (name) DO UPDATE
SET value = excluded.value,
    changed_at = excluded.changed_at,
    changed_by = excluded.changed_by
