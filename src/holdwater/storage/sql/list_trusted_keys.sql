SELECT fingerprint, name, public_key, added_by, added_at, expires_at, revoked_at
FROM trusted_keys
ORDER BY name, fingerprint
