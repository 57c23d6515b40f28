-- Views first, which stand on tables; what belongs to a partitioned table goes with it.
SELECT CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'table' END, array_agg(relname::TEXT)
FROM pg_class
WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = :schema_name)
    AND relkind IN ('v', 'm', 'r', 'p') AND NOT relispartition
GROUP BY 1
ORDER BY min(CASE relkind WHEN 'v' THEN 1 WHEN 'm' THEN 2 ELSE 3 END)
