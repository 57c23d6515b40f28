UPDATE releases
SET
    state = :state, workflows = :workflows, descriptor = :descriptor, pinned = :pinned, error = :error,
    attempts = :attempts, next_attempt_at = :next_attempt_at, source = :source, registered_by = :registered_by,
    signed_by = :signed_by, registered_at = :registered_at, changed_at = :changed_at, version_number = :version_number
WHERE release = :release AND version_number = :expected
