"""Tables of the server itself, in the default schema of its database: keys, sessions, audit, tenants, replicas."""
