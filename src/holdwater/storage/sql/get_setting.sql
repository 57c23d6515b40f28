SELECT name, value, changed_at, changed_by FROM settings WHERE name = :name
