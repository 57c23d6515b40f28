SELECT (
    (SELECT coalesce(sum(octet_length(entries)), 0) FROM journal WHERE run_id = ANY(:ids::TEXT[]))
    + (SELECT coalesce(sum(bytes), 0) FROM run_log_sizes WHERE run_id = ANY(:ids::TEXT[]))
)::BIGINT
