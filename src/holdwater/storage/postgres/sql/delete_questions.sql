DELETE FROM questions
USING unnest(:run_id::TEXT[], :node::INTEGER[]) AS target (run_id, node)
WHERE questions.run_id = target.run_id AND questions.node = target.node
