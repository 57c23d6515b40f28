DELETE FROM runners WHERE owner = :owner
