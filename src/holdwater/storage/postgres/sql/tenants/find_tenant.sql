SELECT
    EXISTS (SELECT FROM pg_class AS c WHERE c.relnamespace = n.oid AND c.relname = 'schema_version'),
    CASE WHEN starts_with(description, :mark) THEN substr(description, length(:mark) + 1) END,
    CASE WHEN NOT pg_has_role(n.nspowner, 'USAGE') THEN pg_get_userbyid(n.nspowner)::TEXT END
FROM pg_namespace AS n, obj_description(n.oid, 'pg_namespace') AS description
WHERE n.nspname = :schema_name
