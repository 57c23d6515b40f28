"""Runs: read, followed, started and controlled, wherever they are recorded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from holdwater.events.run_events import EventPosition
from holdwater.model.map_items import MapProgress
from holdwater.model.records import MAX_LISTED_RUNS, CappedCount, RunFilter
from holdwater.operations.control import RunSituation
from holdwater.operations.graphs import RunGraph
from holdwater.operations.map_items import MapReport
from holdwater.operations.runs import RunPage
from holdwater.runners.tasks.run_access import AcceptedRun
from holdwater.runs.activity import Activity
from holdwater.runs.follow import RunFollower
from holdwater.runs.info import RunInfo
from holdwater.runs.log_follower import LogFollower
from holdwater.runs.logs import LogLine
from holdwater.runs.open_pauses import Pause
from holdwater.runs.view import RunView

Inputs = Mapping[str, Any] | None


class ReadableRuns(ABC):
    """Recorded runs.  The methods do what functions of `holdwater.operations` with these names do, and raise the same.

    `reference`: an id, its beginning or its end, or `@last`.
    """

    @abstractmethod
    def find_run(self, reference: str) -> RunInfo:
        """Find a run.  Raises RunNotFound, AmbiguousRun."""

    @abstractmethod
    def info(self, run_id: str) -> RunInfo:
        """Read the facts of a run, with its activity.  Raises RunNotFound."""

    @abstractmethod
    def view(self, run_id: str) -> RunView:
        """Read a run.  Raises RunNotFound, StoreError."""

    @abstractmethod
    def show_run(self, reference: str) -> RunView:
        """Read a run with its activity and its open questions; this may be closed afterwards."""

    @abstractmethod
    def page_runs(self, which: RunFilter, cursor: str | None = None) -> RunPage:
        """Read a page of runs, newest first; `cursor`: of another page."""

    @abstractmethod
    def count_runs(self, which: RunFilter) -> Mapping[str, CappedCount]:
        """Count the matching runs by status, up to 10,000 each."""

    @abstractmethod
    def list_runs(self, which: RunFilter) -> tuple[RunInfo, ...]:
        """List runs with their activities, newest first."""

    @abstractmethod
    def pauses(self, run_id: str) -> Sequence[Pause]:
        """List the open questions of a run and its children.  Raises RunNotFound."""

    @abstractmethod
    def find_pause(self, run_id: str, key: str | None = None) -> Pause:
        """Find an open question, by its pause id or the name of its answer; None: the only one."""

    @abstractmethod
    def follow(self, run_id: str, after: int | EventPosition = 0) -> RunFollower:
        """Follow the events of a run, until it has ended.  Raises RunNotFound, InvalidArgument."""

    @abstractmethod
    def iter_logs(
        self, run_id: str, node: str | None = None, attempt: int | None = None, after: str | None = None
    ) -> Iterator[LogLine]:
        """Iterate over the log of a run as it is now."""

    @abstractmethod
    def follow_logs(
        self, run_id: str, node: str | None = None, attempt: int | None = None, after: str | None = None
    ) -> LogFollower:
        """Follow the log of a run, until it has ended."""

    @abstractmethod
    def export_run(self, run_id: str) -> Iterator[str]:
        """Write a run as the parts of one JSON text."""

    @abstractmethod
    def graph_of_run(self, run: RunView) -> RunGraph:
        """Return the graph of a run with the states of its nodes."""

    @abstractmethod
    def report_items(self, run: RunView) -> MapReport | None:
        """Count the items of a run, and read the first that failed; None for a run without any."""

    @abstractmethod
    def count_items_of(self, run: RunInfo) -> MapProgress | None:
        """Count the items of a run in a list, without its total; None for one that is no durable map."""

    def iter_runs(self, which: RunFilter) -> Iterator[RunInfo]:
        """Iterate over all matching runs, newest first, page by page.

        Raises InvalidArgument for a filter that cannot be.
        """
        cursor: str | None = None
        while True:
            page = self.page_runs(which, cursor)
            yield from page.runs
            cursor = page.older_cursor
            if cursor is None:
                return

    def status(self, run_id: str) -> str:
        """Read the status of a run.  Raises RunNotFound."""
        return self.info(run_id).status

    def activity(self, run_id: str) -> Activity:
        """Read the activity of a run.  Raises RunNotFound."""
        found = self.info(run_id).activity
        assert found is not None, "facts of one run have its activity"
        return found

    def list_children(self, run_id: str) -> tuple[RunInfo, ...]:
        """List the runs that a run has started, the oldest first."""
        return tuple(self.iter_runs(RunFilter(parent_id=run_id, limit=MAX_LISTED_RUNS)))[::-1]


class Runs(ReadableRuns):
    """Runs that are started and controlled, too.  `pickup_seconds`: wait up to so long for a runner to claim work."""

    @abstractmethod
    def start(
        self,
        workflow: str,
        inputs: Inputs = None,
        *,
        idempotency_key: str | None = None,
        labels: Mapping[str, str] | None = None,
        timeout_seconds: float | None = None,
    ) -> AcceptedRun:
        """Start a run of an announced workflow; it is on disk when this returns."""

    @abstractmethod
    def start_many(
        self,
        workflow: str,
        inputs: Iterable[Inputs],
        *,
        idempotency_keys: Iterable[str] | None = None,
        labels: Mapping[str, str] | None = None,
        timeout_seconds: float | None = None,
    ) -> Sequence[AcceptedRun]:
        """Start a run for each of these inputs."""

    @abstractmethod
    def attach(self, run_id: str) -> AcceptedRun:
        """Return an existing run, to wait for its end.  Raises RunNotFound."""

    @abstractmethod
    def cancel(self, run_id: str, reason: str = "", *, wait_seconds: float | None = None) -> RunSituation:
        """End a run.  `wait_seconds`: wait up to so long for its end; then an earlier request is no error."""

    @abstractmethod
    def pause(self, run_id: str, reason: str = "") -> RunSituation:
        """Start nothing more of a run for now."""

    @abstractmethod
    def resume(self, run_id: str, reason: str = "", *, pickup_seconds: float = 0.0) -> RunSituation:
        """Let a paused run go on."""

    @abstractmethod
    def retry(
        self,
        run_id: str,
        reason: str = "",
        *,
        release: Literal["active"] | None = None,
        pickup_seconds: float = 0.0,
    ) -> RunSituation:
        """Try again what failed or was cancelled in a run that has ended."""

    @abstractmethod
    def answer(self, run_id: str, pause_id: str | None, value: Any, *, pickup_seconds: float = 0.0) -> RunSituation:
        """Answer an open question of a run."""

    @abstractmethod
    def fork(
        self,
        run_id: str,
        from_task: str,
        values: Mapping[str, Any],
        removed: Collection[str] = (),
        *,
        idempotency_key: str | None = None,
    ) -> AcceptedRun:
        """Start a run that takes over what succeeded in another one."""

    @abstractmethod
    def inspect(self, run_id: str, *, pickup_seconds: float = 0.0) -> RunSituation:
        """Read a run and its tasks that are being executed."""

    @abstractmethod
    def is_executing_here(self, run_id: str) -> bool:
        """Return True if this process executes a function of the run now."""
