UPDATE runs
SET
    structure = :structure, code = :code, status = :status, seq = :seq, error = :error, reason = :reason,
    finished_at = :finished_at, paused_at = :paused_at, deadline_at = :deadline_at,
    release = :release
WHERE id = :id AND seq = :expected
