-- for a process that cannot do it itself: never to less than it has
UPDATE work SET lease_until = :lease_until WHERE owner = :owner AND lease_until < :lease_until
