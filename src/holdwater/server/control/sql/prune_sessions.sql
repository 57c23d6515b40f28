DELETE FROM sessions
WHERE used_at < :used_before OR created_at < :created_before
