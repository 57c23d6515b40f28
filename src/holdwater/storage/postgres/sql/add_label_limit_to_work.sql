-- to the tasks there are of runs with a label
UPDATE work
SET limit_keys = CASE WHEN limit_keys = '' THEN :key::TEXT ELSE limit_keys || chr(10) || :key::TEXT END
WHERE
    kind = 'execute'
    AND run_id IN (SELECT run_id FROM run_labels WHERE run_labels.key = :label AND value = :value)
    AND strpos(chr(10) || limit_keys || chr(10), chr(10) || :key::TEXT || chr(10)) = 0
