-- without a tenant: all rows; newest first; null: any.  An author is `key:ID`, the id of a key, or its name
SELECT number, at, by, tenant, verb, target, outcome, code, request_id, address
FROM audit
WHERE (:tenant::TEXT IS NULL OR tenant = :tenant) AND number < :before
    AND (:verb::TEXT IS NULL OR verb = :verb)
    AND (:outcome::TEXT IS NULL OR outcome = :outcome)
    AND (:since::BIGINT IS NULL OR at >= :since)
    AND (
        :author::TEXT IS NULL OR by IN (:author, 'key:' || :author)
        OR by IN (SELECT 'key:' || id FROM api_keys WHERE name = :author)
    )
ORDER BY number DESC
LIMIT :limit
