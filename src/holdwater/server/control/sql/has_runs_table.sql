SELECT 1 WHERE to_regclass('runs') IS NOT NULL
