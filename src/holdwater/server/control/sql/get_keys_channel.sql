SELECT 'holdwater_keys_' || md5(current_schema())
