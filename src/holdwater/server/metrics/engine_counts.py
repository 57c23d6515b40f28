"""Counts of runs, attempts, commits and claims, as engines tell of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from holdwater.engine.metering import ClaimOutcome
from holdwater.model import events as ev
from holdwater.model.journal import JournalEntry
from holdwater.model.records import RunRow
from holdwater.model.time import seconds_between
from holdwater.server.metrics.families import Families

REASONS: Final = {"TIMEOUT": "timeout", "CRASHED": "infrastructure", "TaskNotFound": "task_not_found"}
"""kind of a failure -> reason; every other one is an error of the task"""
_CRASHED: Final = "CRASHED"


class EngineCounts:
    """An `EngineMeter` that counts for all engines of a process."""

    def __init__(self, families: Families) -> None:
        self._families = families
        self._claims = {name: families.claims.labels(name) for name in ("claimed", "contended", "empty", "error")}

    def on_commit(self, seconds: float) -> None:
        """Count a transaction."""
        self._families.commit_seconds.observe(seconds)

    def on_claim(self, outcome: ClaimOutcome) -> None:
        """Count an attempt to claim work."""
        self._claims[outcome].inc()

    def on_leases_renewed(self) -> None:
        """Count a renewal."""
        self._families.heartbeats.inc()

    def on_lease_expired(self) -> None:
        """Count a lease that was not renewed."""
        self._families.leases_expired.inc()

    def on_claims_swept(self, rows: int) -> None:
        """Count claims that were taken from others."""
        self._families.swept.inc(rows)

    def on_entries(self, entries: Sequence[JournalEntry]) -> None:
        """Count the attempts that have ended."""
        families = self._families
        for entry in entries:
            event = entry.event
            if isinstance(event, ev.Succeeded):
                families.tasks.labels("completed", "ok").inc()
            elif isinstance(event, ev.Failed):
                status = "failed" if event.retry_at is None else "retried"
                reason = REASONS.get(event.kind, "task_error")
                if not entry.started_at and event.kind != _CRASHED:  # it did not begin: its inputs were the reason
                    reason = "context_load_failed"
                    families.merge_failures.labels(event.kind).inc()
                families.tasks.labels(status, reason).inc()
                if event.kind == _CRASHED and event.retry_at is None:
                    families.runs_dead.inc()
            elif isinstance(event, ev.Cancelled):
                families.tasks.labels("cancelled", "unknown").inc()
            elif isinstance(event, ev.AttemptLost):
                families.tasks.labels("lost", "claim_lost").inc()
            else:
                continue
            if entry.started_at and entry.ended_at:
                families.task_seconds.observe(max(0.0, seconds_between(entry.started_at, entry.ended_at)))

    def on_run_ended(self, row: RunRow, last_entries: Sequence[JournalEntry]) -> None:
        """Count a run."""
        timed_out = any([isinstance(entry.event, ev.TimedOut) for entry in last_entries])
        reasons = {"completed": "ok", "failed": "timeout" if timed_out else "task_error"}
        self._families.workflows.labels(row.status, reasons.get(row.status, "unknown")).inc()
        if row.finished_at is not None:
            self._families.workflow_seconds.observe(max(0.0, seconds_between(row.created_at, row.finished_at)))
