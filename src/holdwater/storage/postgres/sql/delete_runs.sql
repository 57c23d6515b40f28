DELETE FROM runs WHERE id = ANY(:ids::TEXT[])
