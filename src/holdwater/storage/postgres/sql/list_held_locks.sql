-- the held ones among these locks; a lock that two sessions hold may be listed twice
SELECT (classid::BIGINT << 32) | objid::BIGINT
FROM pg_locks
WHERE
    locktype = 'advisory' AND objsubid = 1 AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND ((classid::BIGINT << 32) | objid::BIGINT) = ANY(:keys::BIGINT[])
