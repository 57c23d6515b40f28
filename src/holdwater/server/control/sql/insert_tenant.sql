INSERT INTO served_tenants (name, username, description, state, created_at, created_by)
VALUES (:name, :username, :description, 'active', :created_at, :created_by)
