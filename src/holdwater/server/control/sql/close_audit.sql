-- Not waited for until it is on disk: without it the row says that the request was under way.
UPDATE audit
SET outcome = :outcome, code = :code
FROM set_config('synchronous_commit', 'off', TRUE)
WHERE number = :number
