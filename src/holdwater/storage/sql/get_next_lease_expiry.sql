SELECT MIN(lease_until) FROM work WHERE owner IS NOT NULL AND owner <> :owner
