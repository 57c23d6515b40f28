-- for each owner of another store: the ends of its first and its last lease
SELECT owner, MIN(lease_until), MAX(lease_until)
FROM work
WHERE owner IS NOT NULL AND owner <> ALL(:own_owners::TEXT[])
GROUP BY owner
