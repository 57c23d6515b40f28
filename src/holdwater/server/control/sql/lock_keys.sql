-- held to the end of the transaction: keys are made and revoked one after another
SELECT pg_advisory_xact_lock(hashtext(current_schema() || '.api_keys'))
