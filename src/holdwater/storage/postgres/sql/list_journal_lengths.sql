SELECT id, seq FROM runs WHERE id = ANY(:ids::TEXT[])
