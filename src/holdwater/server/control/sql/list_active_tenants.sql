SELECT name, username FROM served_tenants WHERE state = 'active' AND name <> 'public' ORDER BY name
