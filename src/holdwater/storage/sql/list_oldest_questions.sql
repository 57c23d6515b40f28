SELECT run_id, node, fence, asked_at
FROM questions
WHERE (asked_at, run_id, node) > (:asked_at, :run_id, :node)
ORDER BY asked_at, run_id, node
LIMIT :limit
