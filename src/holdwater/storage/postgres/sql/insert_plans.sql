INSERT INTO plans (structure, workflow, style, plan, created_at)
SELECT *
FROM unnest(:structure::TEXT[], :workflow::TEXT[], :style::TEXT[], :plan::TEXT[], :created_at::BIGINT[])
ON CONFLICT (structure) DO NOTHING
