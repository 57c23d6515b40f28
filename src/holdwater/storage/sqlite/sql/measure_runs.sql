SELECT
    (
        SELECT coalesce(sum(length(CAST(entries AS BLOB))), 0)
        FROM journal
        WHERE run_id IN (SELECT value FROM json_each(:ids))
    ) + (
        SELECT coalesce(sum(bytes), 0)
        FROM run_log_sizes
        WHERE run_id IN (SELECT value FROM json_each(:ids))
    )
