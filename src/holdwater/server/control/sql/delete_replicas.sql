DELETE FROM replicas WHERE id = :id OR seen_at < :before
