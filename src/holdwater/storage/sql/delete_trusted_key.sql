DELETE FROM trusted_keys WHERE fingerprint = :fingerprint
