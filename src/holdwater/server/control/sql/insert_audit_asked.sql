-- Not waited for until it is on disk: what is asked for is committed later, and whatever is on disk then, this is too.
INSERT INTO audit (at, by, tenant, verb, target, outcome, code, request_id, address)
SELECT :at, :by, :tenant, :verb, :target, :outcome, :code, :request_id, :address
FROM set_config('synchronous_commit', 'off', TRUE)
RETURNING number
