SELECT pg_notify('holdwater_tenants_' || md5(current_schema()), :payload)
