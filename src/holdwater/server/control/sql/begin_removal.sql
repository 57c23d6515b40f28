UPDATE served_tenants SET removing_until = :until, remover_lock = :remover_lock
WHERE name = :name AND state = 'active' AND name NOT IN (SELECT name FROM removals WHERE removing_until > :now)
