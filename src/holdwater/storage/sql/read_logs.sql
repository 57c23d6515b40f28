SELECT run_id, node, fence, at, stream, text, level, logger, line
FROM run_logs
WHERE run_id = :run_id AND line > :after_line
ORDER BY line
LIMIT :limit
