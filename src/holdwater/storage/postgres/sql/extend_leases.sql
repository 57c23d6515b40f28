-- on behalf of a process that cannot renew: never shortens a lease
UPDATE work SET lease_until = :lease_until WHERE owner = :owner AND lease_until < :lease_until
