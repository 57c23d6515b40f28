SELECT (
    (SELECT coalesce(sum(octet_length(entries)), 0) FROM journal WHERE run_id = ANY(:ids::TEXT[]))
    + (SELECT coalesce(sum(bytes), 0) FROM run_log_sizes WHERE run_id = ANY(:ids::TEXT[]))
    + (
        SELECT
            coalesce(
                sum(
                    coalesce(octet_length(outputs), 0) + coalesce(octet_length(error), 0)
                    + coalesce(octet_length(traceback), 0) + coalesce(octet_length(inputs), 0)
                ),
                0
            )
        FROM map_items
        WHERE run_id = ANY(:ids::TEXT[])
    )
)::BIGINT
