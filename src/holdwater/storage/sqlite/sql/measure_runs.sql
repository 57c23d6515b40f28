SELECT
    (
        SELECT coalesce(sum(length(CAST(entries AS BLOB))), 0)
        FROM journal
        WHERE run_id IN (SELECT value FROM json_each(:ids))
    ) + (
        SELECT coalesce(sum(bytes), 0)
        FROM run_log_sizes
        WHERE run_id IN (SELECT value FROM json_each(:ids))
    ) + (
        SELECT
            coalesce(
                sum(
                    length(CAST(coalesce(outputs, '') AS BLOB)) + length(CAST(coalesce(error, '') AS BLOB))
                    + length(CAST(coalesce(traceback, '') AS BLOB)) + length(CAST(coalesce(inputs, '') AS BLOB))
                ),
                0
            )
        FROM map_items
        WHERE run_id IN (SELECT value FROM json_each(:ids))
    )
