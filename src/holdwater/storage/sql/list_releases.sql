SELECT
    release, digest, package, version, state, workflows, descriptor, pinned, error, attempts, next_attempt_at, source,
    registered_by, signed_by, registered_at, changed_at, version_number
FROM releases
ORDER BY package, registered_at, release
