"""Measures of an engine: how long its commits take, what it claims, which runs and attempts end.

An engine that is not measured calls nothing of this.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Literal, Protocol, cast

from holdwater.model.journal import JournalEntry
from holdwater.model.ports.store import Store
from holdwater.model.records import CommitResult, RunRow, RunUpdate, WorkRow
from holdwater.model.time import Micros

ClaimOutcome = Literal["claimed", "empty", "error"]


class EngineMeter(Protocol):
    """A receiver of measures.  Called by the threads of engines; must not block, and raises nothing."""

    def on_commit(self, seconds: float) -> None:
        """Take note of a transaction that was committed."""
        ...

    def on_claim(self, outcome: ClaimOutcome) -> None:
        """Take note of an attempt to claim work."""
        ...

    def on_leases_renewed(self) -> None:
        """Take note of a renewal of leases."""
        ...

    def on_lease_expired(self) -> None:
        """Take note of work that was claimed, and that its owner has not renewed its lease of."""
        ...

    def on_claims_swept(self, rows: int) -> None:
        """Take note of work that was taken from owners that died or did not renew their leases."""
        ...

    def on_entries(self, entries: Sequence[JournalEntry]) -> None:
        """Take note of new entries of the journal of a run, which are on disk."""
        ...

    def on_run_ended(self, row: RunRow, last_entries: Sequence[JournalEntry]) -> None:
        """Take note of a run that is on disk as ended."""
        ...


class _MeteredStore:
    """A store whose calls by a driver are measured.  Everything else is the store's own."""

    def __init__(self, store: Store, meter: EngineMeter) -> None:
        self._metered, self._meter = store, meter

    def __getattr__(self, name: str) -> Any:
        return getattr(self._metered, name)

    def commit(self, updates: Sequence[RunUpdate]) -> list[CommitResult]:
        began = time.perf_counter()
        results = self._metered.commit(updates)
        self._meter.on_commit(time.perf_counter() - began)
        return results

    def claim_work(self, *arguments: Any, **options: Any) -> list[WorkRow]:
        try:
            rows = self._metered.claim_work(*arguments, **options)
        except BaseException:
            self._meter.on_claim("error")
            raise
        self._meter.on_claim("claimed" if rows else "empty")
        for row in rows:
            if row.expired:
                self._meter.on_lease_expired()
        return rows

    def renew_leases(self, owner: str, lease_until: Micros) -> None:
        self._metered.renew_leases(owner, lease_until)
        self._meter.on_leases_renewed()

    def reclaim_expired(self, *arguments: Any, **options: Any) -> int:
        rows = self._metered.reclaim_expired(*arguments, **options)
        if rows:
            self._meter.on_claims_swept(rows)
        return rows


def metered(store: Store, meter: EngineMeter) -> Store:
    """Return a store that tells the meter of commits, claims and renewals."""
    return cast(Store, _MeteredStore(store, meter))
