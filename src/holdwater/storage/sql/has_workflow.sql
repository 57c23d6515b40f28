SELECT 1 FROM workflows WHERE name = :name
