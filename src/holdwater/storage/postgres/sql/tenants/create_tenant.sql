-- The schema stays the administrator's: what he later changes in it runs no code of the tenant.
CREATE ROLE {username} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD {verifier};
CREATE SCHEMA {schema};
COMMENT ON SCHEMA {schema} IS {mark};
