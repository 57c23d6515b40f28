UPDATE schedules
SET
    name = :name, workflow = :workflow, expression = :expression, timezone = :timezone, inputs = :inputs,
    enabled = :enabled, catchup = :catchup, max_catchup = :max_catchup, misfire_grace_us = :misfire_grace_us,
    overlap = :overlap, jitter_us = :jitter_us, start_at = :start_at, end_at = :end_at, poll_us = :poll_us,
    allow_concurrent = :allow_concurrent, updated_at = :updated_at, settled_at = :settled_at, last_at = :last_at,
    next_at = :next_at, last_error = :last_error, version = version + 1
WHERE id = :id AND version = :version
