"""Runs of a release that is removed by force: they are paused, with that reason, and stay in the database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from holdwater.engine import Engine
from holdwater.errors import InvalidTransition, RunNotFound
from holdwater.model.records import RunFilter, RunRow
from holdwater.model.releases import ReleaseRow
from holdwater.model.statuses import RunStatus

_PAGE_RUNS: Final = 500


class RemovedRuns:
    """Parks the open runs of releases.  Raises StoreUnavailable, RunnerClosed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._asked: set[str] = set()

    def are_over(self, row: ReleaseRow) -> bool:
        """Return True if a release that is being removed waits for no run: none is open; by force: none runs."""
        if row.error is not None:  # by force
            return next(self._running(row), None) is None
        return not self._engine.store.count_open_runs(row.release)

    def park(self, row: ReleaseRow, reason: str) -> None:
        """Pause the runs of a release that are not; functions that run end as usual, so this is called again."""
        is_over = True
        for run in self._running(row):
            is_over = False
            if run.id not in self._asked:
                try:
                    self._engine.control.pause(run.id, reason)
                except (InvalidTransition, RunNotFound):  # it has ended meanwhile, or is pausing
                    continue
                self._asked.add(run.id)
        if is_over:
            self._asked.clear()

    def _running(self, row: ReleaseRow) -> Iterator[RunRow]:
        last_id: str | None = None
        while page := self._engine.store.list_runs(
            RunFilter(release=row.release, status=RunStatus.RUNNING, limit=_PAGE_RUNS, before_id=last_id)
        ):
            yield from page
            last_id = page[-1].id
