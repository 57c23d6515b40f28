ALTER TABLE served_tenants ADD COLUMN removing_until BIGINT NOT NULL DEFAULT 0;
ALTER TABLE served_tenants ADD COLUMN remover_lock BIGINT NOT NULL DEFAULT 0;  -- advisory lock of the process

-- a removal ends with the process that began it, at its instant at the latest
CREATE VIEW removals AS
SELECT name, removing_until
FROM served_tenants
WHERE
    removing_until > 0 AND EXISTS (
        SELECT 1
        FROM pg_locks
        WHERE
            locktype = 'advisory' AND objsubid = 1 AND granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND ((classid::BIGINT << 32) | objid::BIGINT) = remover_lock
    );
