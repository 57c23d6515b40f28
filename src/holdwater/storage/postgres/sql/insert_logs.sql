INSERT INTO run_logs (run_id, node, fence, at, stream, text, level, logger, line)
SELECT *
FROM unnest(
    :run_id::TEXT[], :node::INTEGER[], :fence::BIGINT[], :at::BIGINT[], :stream::TEXT[], :text::TEXT[],
    :level::TEXT[], :logger::TEXT[], :line::BIGINT[]
)
