SELECT 1 FROM {schema}.served_tenants WHERE name = :name
