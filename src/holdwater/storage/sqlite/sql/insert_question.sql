INSERT OR REPLACE INTO questions (run_id, node, fence, asked_at) VALUES (:run_id, :node, :fence, :asked_at)
