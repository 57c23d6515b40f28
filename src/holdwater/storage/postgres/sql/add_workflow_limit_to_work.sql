-- to the tasks there are of a workflow, whatever its release, and of what runs inside it
UPDATE work
SET limit_keys = CASE WHEN limit_keys = '' THEN :key::TEXT ELSE limit_keys || chr(10) || :key::TEXT END
WHERE
    kind = 'execute'
    AND (
        workflow = :workflow::TEXT
        OR starts_with(workflow, :workflow::TEXT || '@') OR starts_with(workflow, :workflow::TEXT || '/')
    )
    AND strpos(chr(10) || limit_keys || chr(10), chr(10) || :key::TEXT || chr(10)) = 0
