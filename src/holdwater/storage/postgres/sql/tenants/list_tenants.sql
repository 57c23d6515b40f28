SELECT n.nspname::TEXT, substr(d.description, length(:mark) + 1)
FROM pg_namespace AS n JOIN pg_description AS d ON d.objoid = n.oid
WHERE d.classoid = 'pg_namespace'::REGCLASS AND d.objsubid = 0 AND starts_with(d.description, :mark)
ORDER BY n.nspname
