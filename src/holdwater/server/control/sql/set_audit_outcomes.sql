-- Not waited for until it is on disk: without it a row says that the request was under way.
UPDATE audit
SET outcome = found.outcome, code = found.code
FROM
    set_config('synchronous_commit', 'off', TRUE),
    unnest(:numbers::bigint[], :outcomes::text[], :codes::text[]) AS found (number, outcome, code)
WHERE audit.number = found.number
