UPDATE schedules
SET
    settled_at = new.settled_at, last_at = new.last_at, next_at = new.next_at, last_error = new.last_error,
    version = schedules.version + 1
FROM unnest(
    :settled_at::BIGINT[], :last_at::BIGINT[], :next_at::BIGINT[], :last_error::TEXT[], :id::TEXT[],
    :version::BIGINT[]
) AS new (settled_at, last_at, next_at, last_error, id, version)
WHERE schedules.id = new.id AND schedules.version = new.version
