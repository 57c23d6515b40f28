DELETE FROM runners WHERE seen_at < :seen_before
