INSERT INTO run_labels (run_id, key, value, is_child, created_at)
SELECT *
FROM unnest(:run_id::TEXT[], :key::TEXT[], :value::TEXT[], :is_child::SMALLINT[], :created_at::BIGINT[])
