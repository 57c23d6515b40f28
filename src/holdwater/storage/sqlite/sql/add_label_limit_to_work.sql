-- to the tasks there are of runs with a label
UPDATE work
SET limit_keys = CASE WHEN limit_keys = '' THEN :key ELSE limit_keys || char(10) || :key END
WHERE
    kind = 'execute'
    AND run_id IN (SELECT run_id FROM run_labels WHERE run_labels.key = :label AND value = :value)
    AND instr(char(10) || limit_keys || char(10), char(10) || :key || char(10)) = 0
