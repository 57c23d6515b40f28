INSERT INTO journal (run_id, seq, at, entries)
SELECT * FROM unnest(:run_id::TEXT[], :seq::BIGINT[], :at::BIGINT[], :entries::TEXT[])
