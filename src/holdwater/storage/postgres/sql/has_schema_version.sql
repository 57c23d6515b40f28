-- in the schema itself: a table of that name further down the search path is somebody else's
SELECT 1 WHERE to_regclass(quote_ident(current_schema()) || '.schema_version') IS NOT NULL
