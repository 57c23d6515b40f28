-- Names mean what the catalog says, whatever the administrator's search_path; nobody is waited for longer than this.
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL lock_timeout = '10s';
