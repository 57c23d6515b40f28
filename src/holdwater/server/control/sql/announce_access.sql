SELECT pg_notify('holdwater_keys_' || md5(current_schema()), :payload)
