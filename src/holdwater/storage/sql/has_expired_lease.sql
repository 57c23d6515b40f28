SELECT 1 FROM work WHERE owner = :owner AND lease_until <= :now LIMIT 1
