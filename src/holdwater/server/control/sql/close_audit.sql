UPDATE audit
SET outcome = :outcome, code = :code
WHERE number = :number
