SELECT 1 FROM work WHERE owner = :owner LIMIT 1
