-- without a tenant: all rows; newest first
SELECT number, at, by, tenant, verb, target, outcome, code, request_id, address
FROM audit
WHERE (:tenant::TEXT IS NULL OR tenant = :tenant) AND number < :before
ORDER BY number DESC
LIMIT :limit
