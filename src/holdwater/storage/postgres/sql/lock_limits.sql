-- One transaction at a time counts and claims limited tasks: a snapshot that is taken after this sees all that those
-- before it have claimed.  A process that stops in the middle of its transaction loses it soon.
SELECT
    set_config('idle_in_transaction_session_timeout', '10s', TRUE),
    pg_advisory_xact_lock(hashtextextended('holdwater concurrency_limits ' || current_schema(), 0))
