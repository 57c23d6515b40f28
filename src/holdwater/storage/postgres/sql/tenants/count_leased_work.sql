SELECT count(*)
FROM {schema}.work
WHERE owner IS NOT NULL AND lease_until > (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::BIGINT
