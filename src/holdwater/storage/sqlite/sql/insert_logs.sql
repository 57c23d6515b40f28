INSERT INTO run_logs (run_id, node, fence, at, stream, text, level, logger, line)
VALUES (:run_id, :node, :fence, :at, :stream, :text, :level, :logger, :line)
