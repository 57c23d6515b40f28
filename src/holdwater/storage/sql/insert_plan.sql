INSERT INTO plans (structure, workflow, style, plan, created_at)
VALUES (:structure, :workflow, :style, :plan, :created_at)
ON CONFLICT (structure) DO NOTHING
