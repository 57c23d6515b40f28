-- only in the first schema of the search path: a table of that name in a later one belongs to another installation
SELECT 1 WHERE to_regclass(quote_ident(current_schema()) || '.schema_version') IS NOT NULL
