"""The reconciler: keeps the releases of an engine as a registry of packages has them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from holdwater.engine import Engine
from holdwater.errors import RunnerClosed, StoreError
from holdwater.model.error_report import describe_error
from holdwater.model.releases import ReleaseRow
from holdwater.model.time import UNSET, Micros, seconds_between
from holdwater.operations.databases import Database
from holdwater.operations.schedule_queries import DEFAULT_CONFIG
from holdwater.packages.hosts.host_pool import HostPool
from holdwater.packages.reconciling.bounded_calls import BoundedCalls
from holdwater.packages.reconciling.engine_releases import EngineReleases
from holdwater.packages.reconciling.package_schedules import PackageSchedules
from holdwater.packages.reconciling.reconcile_pass import ReconcileParts, ReconcilePass
from holdwater.packages.reconciling.reconcile_result import ReconcileResult
from holdwater.packages.reconciling.registering import ACCEPT_UNSIGNED, Registrar, VerifySignature
from holdwater.packages.reconciling.release_rows import ReleaseRows
from holdwater.packages.reconciling.removed_runs import RemovedRuns
from holdwater.packages.registries.ownership import read_home_id
from holdwater.packages.registries.registry import RejectedArchive, WorkflowRegistry
from holdwater.runtime.config import ScheduleConfig

logger = logging.getLogger("holdwater.packages")

PACKAGE_TIMEOUT_SECONDS: Final = 30.0
"""longest time one package may take to be registered"""
REGISTRATION: Final = "installing its wheels, or importing its modules,"
"""the subject of the error of one that takes longer"""
MAX_CONCURRENT_PACKAGES: Final = 4
"""packages that are registered at once"""
MIN_PAUSE_SECONDS: Final = 0.2
"""between two passes, however much changes"""
NO_RESULT: Final = ReconcileResult()

StateListener = Callable[[ReleaseRow], None]
"""called with each row of a release that was written, in the thread of the reconciler"""


@dataclass(frozen=True, slots=True)
class ReconcilerStatus:
    """The latest pass.  `last_run_at`: its end, None before the first.  `releases`: those that are not gone.

    `rejected`: archives that are no release, with the reason.  `error`: why the latest pass failed, "" if it did not.
    """

    last_run_at: Micros | None = None
    result: ReconcileResult = NO_RESULT
    releases: tuple[ReleaseRow, ...] = ()
    rejected: tuple[RejectedArchive, ...] = ()
    error: str = ""


class RegistryReconciler:
    """Loads what a registry has into an engine, and unloads what it has not, in a thread of its own.

    It works when it is woken, when a request or another process has changed a release, when a run of a release that is
    being removed ends, and every `interval_seconds`.
    `home`: the folder releases are unpacked below.  `author`: of the rows it writes, with the id of the home.
    Raises OSError.
    """

    def __init__(
        self,
        registry: WorkflowRegistry,
        engine: Engine,
        pool: HostPool,
        home: Path,
        *,
        interval_seconds: float = 5.0,
        package_timeout_seconds: float = PACKAGE_TIMEOUT_SECONDS,
        schedule_config: ScheduleConfig = DEFAULT_CONFIG,
        verify_signature: VerifySignature = ACCEPT_UNSIGNED,
        author: str = "daemon",
    ) -> None:
        self.registry: Final = registry
        self.interval_seconds = interval_seconds
        self._engine = engine
        releases = EngineReleases(engine, pool, home)
        self._parts = ReconcileParts(
            Registrar(registry, releases, verify_signature),
            releases,
            PackageSchedules(Database.of(engine), schedule_config),
            RemovedRuns(engine),
            BoundedCalls(package_timeout_seconds, MAX_CONCURRENT_PACKAGES, REGISTRATION),
            f"{author}:{read_home_id(home)}",
        )
        self._status = ReconcilerStatus()
        self._draining: tuple[ReleaseRow, ...] = ()
        self._began_at = UNSET
        """the begin of the latest look at all releases"""
        self._listeners: list[StateListener] = []
        self._wake, self._is_due, self._is_closed = threading.Event(), True, False
        self._pass_lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="holdwater-reconciler", daemon=True)
        self._stop_listening: list[Callable[[], None]] = []

    # -- from any thread

    def start(self) -> None:
        """Begin with a pass at once."""
        watchers = self._engine.driver.journal_watchers
        self._stop_listening = [watchers.add_listener(self._on_runs_changed), watchers.add_release_listener(self.wake)]
        self._thread.start()

    def wake(self) -> None:
        """Look at once: the registry has changed."""
        self._is_due = True
        self._wake.set()

    @property
    def status(self) -> ReconcilerStatus:
        """The outcome of the latest pass."""
        return self._status

    @property
    def is_busy(self) -> bool:
        """A pass is made, or is to be made at once."""
        return self._is_due or self._pass_lock.locked()

    @property
    def packages_loaded(self) -> int:
        """The number of releases whose runs are executed here."""
        return len(self._parts.releases.loaded())

    def add_listener(self, listener: StateListener) -> None:
        """Call `listener` with each row of a release that is written from now on."""
        self._listeners.append(listener)

    def set_interval(self, interval_seconds: float) -> None:
        """Use another interval from now on."""
        self.interval_seconds = interval_seconds
        self._wake.set()

    def reconcile(self) -> ReconcileResult:
        """Make passes in this thread until all has been tried once.  Raises StoreUnavailable, RunnerClosed."""
        with self._pass_lock:
            self._began_at = self._engine.clock.now()
            result, tried, has_more = NO_RESULT, set[str](), True
            while has_more and not self._is_closed:
                one = self._make_pass(result, tried)
                result, has_more = self._status.result, one.has_more
            return result

    def _make_pass(self, before: ReconcileResult, tried: set[str]) -> ReconcilePass:
        # in this order: a release that is uploaded meanwhile must not look like one that the registry has no more
        rows = ReleaseRows.read(self._engine.store, self._engine.clock, self._tell)
        listing = self.registry.list()
        self._status = replace(self._status, releases=_shown(rows.rows.values()))
        one = ReconcilePass(self._parts, rows, listing, tried)
        result = before.followed_by(one.run())
        if one.is_unfinished:
            self.wake()
        self._draining = tuple([row for row in rows.rows.values() if row.state == "draining"])
        self._status = ReconcilerStatus(
            self._engine.clock.now(),
            result,
            _shown(rows.rows.values()),
            tuple(one.rejected),
        )
        return one

    def close(self) -> None:
        """Load nothing more, and wait for the thread; what is loaded stays.  Idempotent."""
        self._is_closed = True
        for stop in self._stop_listening:
            stop()
        self._parts.calls.close()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _tell(self, row: ReleaseRow) -> None:
        """Take in a row that was written, also while the pass goes on: that of another package may take long."""
        found = {one.release: one for one in self._status.releases} | {row.release: row}
        self._status = replace(self._status, releases=_shown(found.values()))
        for listener in list(self._listeners):
            listener(row)

    def _on_runs_changed(self, run_ids: Collection[str] | None, schedules_changed: bool) -> None:
        if self._draining:
            self._wake.set()

    # -- the thread

    def _run(self) -> None:
        while not self._is_closed:
            if self._is_due or self._has_drained():
                self._is_due = False
                self._reconcile_or_log()
            began = time.monotonic()
            if not self._wake.wait(self._seconds_to_next_pass()):
                self._is_due = True
            self._wake.clear()
            if not self._is_closed and time.monotonic() - began < MIN_PAUSE_SECONDS:
                time.sleep(MIN_PAUSE_SECONDS)  # changes come in crowds

    def _seconds_to_next_pass(self) -> float:
        """Return the interval, or less if a broken release is to be tried again before."""
        now = self._engine.clock.now()
        tries = [
            max(0.0, seconds_between(now, row.next_attempt_at))
            for row in self._status.releases
            if row.next_attempt_at is not None
            and row.next_attempt_at > self._began_at  # it has left others that were due to another process
        ]
        return min([self.interval_seconds, *tries])

    def _has_drained(self) -> bool:
        """Return True if the last run of a release that is being removed has ended, or is parked by force."""
        try:
            return any([self._parts.removed_runs.are_over(row) for row in self._draining])
        except StoreError:  # the next pass says so
            return True

    def _reconcile_or_log(self) -> None:
        """Make a pass; one that fails is made again after the interval, and says why once."""
        try:
            self.reconcile()
        except RunnerClosed:
            return
        except Exception as error:  # the outermost boundary of the thread
            text = describe_error(error)
            if text != self._status.error and not self._is_closed:
                logger.error("packages cannot be looked at now, it is tried again: %s", text, exc_info=error)
            self._status = ReconcilerStatus(
                self._status.last_run_at, self._status.result, self._status.releases, self._status.rejected, text
            )


def _shown(rows: Iterable[ReleaseRow]) -> tuple[ReleaseRow, ...]:
    """Return the rows that are not gone, by package."""
    return tuple(sorted([row for row in rows if row.state != "gone"], key=lambda row: (row.package, row.registered_at)))
