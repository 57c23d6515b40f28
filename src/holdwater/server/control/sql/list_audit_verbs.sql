-- verbs of the newest rows; without a tenant: of all
SELECT DISTINCT verb
FROM (
    SELECT verb FROM audit WHERE (:tenant::TEXT IS NULL OR tenant = :tenant) ORDER BY number DESC LIMIT :rows
) AS newest
ORDER BY verb
