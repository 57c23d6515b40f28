SELECT username, name IN (SELECT name FROM removals WHERE removing_until > :now)
FROM served_tenants
WHERE name = :name AND state = 'active'
