SELECT username FROM served_tenants WHERE name = :name AND state = 'active'
