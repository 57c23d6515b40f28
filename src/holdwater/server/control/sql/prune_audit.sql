DELETE FROM audit
WHERE number IN (SELECT number FROM audit WHERE at < :before ORDER BY at LIMIT :limit)
