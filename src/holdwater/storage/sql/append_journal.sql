INSERT INTO journal (run_id, seq, at, entries) VALUES (:run_id, :seq, :at, :entries)
