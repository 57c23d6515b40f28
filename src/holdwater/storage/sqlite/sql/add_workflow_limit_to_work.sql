-- to the tasks there are of a workflow, whatever its release, and of what runs inside it
UPDATE work
SET limit_keys = CASE WHEN limit_keys = '' THEN :key ELSE limit_keys || char(10) || :key END
WHERE
    kind = 'execute'
    AND (
        workflow = :workflow
        OR substr(workflow, 1, length(:workflow) + 1) IN (:workflow || '@', :workflow || '/')
    )
    AND instr(char(10) || limit_keys || char(10), char(10) || :key || char(10)) = 0
