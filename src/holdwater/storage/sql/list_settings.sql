-- those whose name begins with a text
SELECT name, value, changed_at, changed_by FROM settings WHERE substr(name, 1, length(:prefix)) = :prefix ORDER BY name
