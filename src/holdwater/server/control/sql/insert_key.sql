INSERT INTO api_keys (id, digest, name, role, tenant, is_god, created_at, created_by, expires_at, replaces)
VALUES (:id, :digest, :name, :role, :tenant, :is_god, :created_at, :created_by, :expires_at, :replaces)
