INSERT INTO trusted_keys (fingerprint, name, public_key, added_by, added_at, expires_at, revoked_at)
VALUES (:fingerprint, :name, :public_key, :added_by, :added_at, :expires_at, :revoked_at)
ON CONFLICT (fingerprint) DO UPDATE SET
    name = excluded.name,
    public_key = excluded.public_key,
    added_by = excluded.added_by,
    added_at = excluded.added_at,
    expires_at = excluded.expires_at,
    revoked_at = excluded.revoked_at
