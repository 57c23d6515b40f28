-- Held until the transaction ends: an insert looks at the names of all packages.
-- A process that stops in the middle of its transaction loses it soon.
SELECT
    set_config('idle_in_transaction_session_timeout', '10s', TRUE),
    pg_advisory_xact_lock(hashtextextended('holdwater releases ' || current_schema(), 0))
