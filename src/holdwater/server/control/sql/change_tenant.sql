-- the tenant public has no row before its first change
INSERT INTO served_tenants (name, username, description, require_signatures, state, created_at, created_by)
VALUES (:name, '', :description, :require_signatures, 'active', :created_at, :created_by)
ON CONFLICT (name) DO UPDATE
SET description = excluded.description, require_signatures = excluded.require_signatures
