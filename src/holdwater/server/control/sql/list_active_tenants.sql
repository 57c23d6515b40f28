SELECT name, username FROM served_tenants WHERE state = 'active' ORDER BY name
