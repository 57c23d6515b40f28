UPDATE run_log_sizes SET lines = target.lines, bytes = target.bytes
FROM unnest(:run_id::TEXT[], :lines::BIGINT[], :bytes::BIGINT[]) AS target (run_id, lines, bytes)
WHERE run_log_sizes.run_id = target.run_id
