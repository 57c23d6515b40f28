SELECT 1 FROM work WHERE owner IS NULL AND parked = 0 AND kind = 'execute' AND limit_keys > '' LIMIT 1
