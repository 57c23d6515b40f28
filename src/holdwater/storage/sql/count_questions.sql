SELECT COUNT(*) FROM (SELECT 1 FROM questions LIMIT :limit) AS counted
