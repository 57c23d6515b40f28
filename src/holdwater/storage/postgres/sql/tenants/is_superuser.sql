SELECT 1 FROM pg_roles WHERE rolname = CURRENT_USER AND rolsuper
