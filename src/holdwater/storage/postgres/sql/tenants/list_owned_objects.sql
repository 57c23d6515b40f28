-- what a role owns, here and in other databases
SELECT CASE
    WHEN dbid IN (0, here.oid) THEN pg_describe_object(classid, objid, objsubid)
    ELSE format('something in database %s', (SELECT datname FROM pg_database WHERE oid = dbid))
END
FROM pg_shdepend, (SELECT oid FROM pg_database WHERE datname = current_database()) AS here
WHERE refclassid = 'pg_authid'::REGCLASS AND refobjid = :role::OID AND deptype = 'o'
ORDER BY 1
LIMIT 10
