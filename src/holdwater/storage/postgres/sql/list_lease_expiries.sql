-- of each owner that is not ours: when the first and the last of its leases ends
SELECT owner, MIN(lease_until), MAX(lease_until)
FROM work
WHERE owner IS NOT NULL AND owner <> ALL(:own_owners::TEXT[])
GROUP BY owner
