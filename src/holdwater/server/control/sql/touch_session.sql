UPDATE sessions
SET used_at = :at
WHERE digest = :digest AND used_at < :at
