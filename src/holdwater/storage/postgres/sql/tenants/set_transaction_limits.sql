-- Names are resolved in the catalog, whatever the administrator's search_path; no lock is waited for longer than this.
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL lock_timeout = '10s';
