INSERT INTO audit (at, by, tenant, verb, target, outcome, code, request_id, address)
VALUES (:at, :by, :tenant, :verb, :target, :outcome, :code, :request_id, :address)
RETURNING number
