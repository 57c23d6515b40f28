SELECT id, seq FROM runs WHERE id = ANY(:ids::TEXT[]) ORDER BY id FOR UPDATE
