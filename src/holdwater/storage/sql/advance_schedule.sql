UPDATE schedules
SET
    settled_at = :settled_at, last_at = :last_at, next_at = :next_at, last_error = :last_error, version = version + 1
WHERE id = :id AND version = :version
