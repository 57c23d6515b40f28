UPDATE work SET lease_until = :lease_until WHERE owner = :owner
