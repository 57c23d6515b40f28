SELECT id FROM replicas WHERE seen_at >= :since AND state = 'serving' ORDER BY id
