DELETE FROM served_tenants WHERE name = :name
