UPDATE served_tenants SET removing_until = 0 WHERE name = :name AND remover_lock = :remover_lock
