SELECT id FROM replicas WHERE seen_at >= :since AND id <> :own_id
