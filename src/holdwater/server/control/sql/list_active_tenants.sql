SELECT name, username
FROM served_tenants
WHERE state = 'active' AND name <> 'public' AND name NOT IN (SELECT name FROM removals WHERE removing_until > :now)
ORDER BY name
