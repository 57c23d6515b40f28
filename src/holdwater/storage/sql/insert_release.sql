INSERT INTO releases (
    release, digest, package, version, state, workflows, descriptor, pinned, error, attempts, next_attempt_at, source,
    registered_by, signed_by, registered_at, changed_at, version_number
)
SELECT
    :release, :digest, :package, :version, :state, :workflows, :descriptor, :pinned, :error, :attempts,
    :next_attempt_at, :source, :registered_by, :signed_by, :registered_at, :changed_at, :version_number
WHERE NOT EXISTS (
    -- names of packages are unique whatever their case
    SELECT 1 FROM releases AS other
    WHERE lower(other.package) = lower(:package) AND other.package <> :package AND other.state <> 'gone'
)
ON CONFLICT DO NOTHING
