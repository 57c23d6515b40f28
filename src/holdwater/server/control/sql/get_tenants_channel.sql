SELECT 'holdwater_tenants_' || md5(current_schema())
