"""Storage of runs: their rows, journals and work queue."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Protocol

from holdwater.model.ports.bulk_jobs import BulkJobStore
from holdwater.model.ports.catalog import CatalogStore
from holdwater.model.ports.drawings import DrawingStore
from holdwater.model.ports.inspection import InspectionStore
from holdwater.model.ports.limits import LimitStore
from holdwater.model.ports.logs import LogStore
from holdwater.model.ports.map_items import MapItemStore
from holdwater.model.ports.questions import QuestionStore
from holdwater.model.ports.releases import ReleaseStore
from holdwater.model.ports.schedules import ScheduleStore
from holdwater.model.ports.secrets import SecretStore
from holdwater.model.ports.settings import SettingStore
from holdwater.model.records import (
    FIRST_CURSOR,
    CappedCount,
    CommitResult,
    Cursor,
    EndedRun,
    JournalRow,
    Notification,
    PruneResult,
    RunFilter,
    RunHistogram,
    RunRow,
    RunRows,
    RunUpdate,
    StoredRun,
    WorkRow,
)
from holdwater.model.time import MONOTONIC_UNSET, ClockSample, Micros, MonotonicMicros


class LeaseRenewal(Protocol):
    """Another process that renews an owner's leases while this one runs and cannot: a body holds the interpreter."""

    def note_renewed(self, offset_us: int) -> None:
        """The leases were renewed now.  `offset_us`: how far instants are ahead of the monotonic clock."""
        ...

    def stop(self) -> None:
        """There are no leases."""
        ...


class Store(
    ScheduleStore,
    CatalogStore,
    LogStore,
    DrawingStore,
    QuestionStore,
    BulkJobStore,
    SettingStore,
    MapItemStore,
    InspectionStore,
    ReleaseStore,
    LimitStore,
    SecretStore,
    Protocol,
):
    """Storage of runs.  Synchronous and thread-safe; every method is one transaction.

    Raises StoreUnavailable when the database cannot be reached or written now, and nothing was changed.
    """

    url: str
    tracks_liveness: bool
    """True if live owners are known as such: no expired lease is taken from a process that runs"""

    @property
    def connections_in_use(self) -> int:
        """The number of connections of its pool that calls have now; 0 where it has none."""
        ...

    def close(self) -> None:
        """Release every connection, lock and file.  Calling it again does nothing."""
        ...

    def listen(self, callback: Callable[[Notification], None]) -> bool:
        """Call `tell`, from a thread of the store's, with what other runners write.  False: there is no such channel.

        A hint that may come late, twice or not at all; after a gap it says so (`News(True, None)`).
        """
        ...

    def follow_runs(self, run_ids: Collection[str]) -> None:
        """Have the other runners of the database tell of new journal entries of these runs, for a while.

        It is a hint, as `listen` is: nothing comes of it where there is no channel.
        """
        ...

    def sample_clock(self) -> ClockSample | None:
        """A reading of the database server's clock; None for a local store, whose reference is the wall clock."""
        ...

    # -- owners: process incarnations

    def register_owner(self, owner: str) -> None:
        """The owner lives, until it unregisters or its process ends."""
        ...

    def unregister_owner(self, owner: str) -> None: ...

    def is_alive(self, owner: str) -> bool | None:
        """Return True if the owner lives, False if it is dead, None if only its leases can tell."""
        ...

    def reclaim_expired(self, now: Micros, monotonic_now: MonotonicMicros = MONOTONIC_UNSET, lease_us: int = 0) -> int:
        """Take from owners that are dead their work, and from others what their leases expired for; returns how many
        rows.

        `lease_us`: for how long owners take work.  Where leases are all there is, they must also be seen not to be
        renewed, over calls at these instants of the monotonic clock; 0: this call alone judges.
        """
        ...

    def renew_leases(self, owner: str, lease_until: Micros) -> None:
        """Extend the lease of everything the owner holds."""
        ...

    def lease_renewal(self, owner: str, lease_us: int) -> LeaseRenewal | None:
        """Create what renews the owner's leases from another process while this one cannot; None if none is needed."""
        ...

    def next_lease_expiry(self, owner: str) -> Micros | None:
        """Return the instant at which the first lease of another owner expires, unless it is renewed."""
        ...

    # -- runs

    def commit(self, updates: Sequence[RunUpdate]) -> list[CommitResult]:
        """All changes in one transaction, each with its own verdict.  At most one change per run.

        A change whose run does not have exactly `expected` entries is a Conflict; a birth whose idempotency key (with
        its workflow) is taken is a Duplicate.  The others are written.
        """
        ...

    def claim_work(
        self,
        owner: str,
        lease_until: Micros,
        due_before: Micros,
        limit: int,
        workflows: Collection[str],
        within_run_id: str | None = None,
        *,
        excluded_nodes: Collection[tuple[str, int]] = (),
        include_tasks: bool = True,
    ) -> list[WorkRow]:
        """Take unowned, unparked work of these workflows, given as claim keys, the oldest first; rows as they were.

        That is `limit` bodies at most, whatever their `due_at` but within the concurrency limits they count towards,
        and as many of what needs no slot and is due until then.  `within_run_id`: only that of this run and of the
        children its nodes have fanned out to.  `excluded_nodes`: not the bodies of these (workflow, node) pairs;
        `include_tasks` False: none at all.
        """
        ...

    def release_work(self, owner: str, rows: Sequence[WorkRow]) -> None:
        """Give back work that was claimed and not begun, with the keys of limits that the rows have."""
        ...

    def get_run(self, run_id: str) -> RunRow | None: ...

    def journal_lengths(self, run_ids: Collection[str]) -> dict[str, int]:
        """Return the number of journal entries of each of these runs; unknown ids are left out."""
        ...

    def read_runs(self, run_ids: Collection[str]) -> dict[str, StoredRun]:
        """Read rows, journals and work of several runs with few queries; unknown ids are left out."""
        ...

    def list_runs(self, run_filter: RunFilter) -> list[RunRow]:
        """Heads of runs, newest first: by birth or end, then by id.  Raises RunNotFound for an unknown `before_id`."""
        ...

    def page_runs(self, run_filter: RunFilter) -> RunRows:
        """Read a page of the list.  Raises RunNotFound if there is no run `before_id`.

        Where no index tells which runs fit, it looks at 50,000 of them at most, and says how far that was.
        """
        ...

    def count_runs(self, run_filter: RunFilter) -> dict[str, CappedCount]:
        """Count the runs of each status, up to 10,000 each, regardless of the page."""
        ...

    def run_histogram(self, run_filter: RunFilter, since: Micros, until: Micros, bucket_us: int) -> RunHistogram:
        """Count the runs of a span of time by bucket and status, the latest 50,000 of each status.

        The filter's own span is ignored: for ends, if it lists runs by their ends, else for births.
        """
        ...

    def find_by_prefix(self, prefix: str, limit: int) -> list[str]:
        """Ids that begin so, in their order; not those of children whose parents' ids do, too."""
        ...

    def find_by_suffix(self, suffix: str, limit: int) -> list[str]:
        """Ids that end so, in their order; not those of fanned-out children.  Looks at every id there is."""
        ...

    def get_plan(self, structure: str) -> dict[str, Any] | None:
        """The stored plan of a structure fingerprint, as data."""
        ...

    def read_journal(self, run_id: str, after_seq: int = 0, limit: int | None = None) -> list[JournalRow]:
        """The journal from entry `after` + 1 on; about `limit` rows at most, in each of which are some entries."""
        ...

    def work_of_run(self, run_id: str) -> list[WorkRow]:
        """Outstanding work of a run."""
        ...

    def work_of_runs(self, run_ids: Collection[str]) -> dict[str, list[WorkRow]]:
        """Outstanding work of several runs; runs without any are left out."""
        ...

    def work_of_owner(self, owner: str) -> list[WorkRow]:
        """Return the work the owner holds, by run, node and fence."""
        ...

    def overdue_runs(self, before: Micros) -> list[tuple[str, str, Micros]]:
        """(run, claim key, deadline) of unfinished, unowned runs with a deadline up to this instant, oldest first."""
        ...

    def orphaned_children(self) -> list[tuple[str, str]]:
        """(run, claim key) of unfinished children of runs that have ended."""
        ...

    def iter_runs(self) -> Iterator[RunRow]:
        """All runs, in pages, oldest first."""
        ...

    def delete_runs(self, run_ids: Sequence[str]) -> list[str]:
        """Delete runs, each with its children and theirs, in one transaction; returns the ids of all that are gone.

        A run stays as long as any of its family has not ended.
        """
        ...

    def measure_runs(self, run_ids: Sequence[str]) -> int:
        """Return the bytes of journals and logs of runs with all their descendants, before any compression."""
        ...

    def prune(
        self,
        before: Micros,
        keep: Collection[str],
        limit: int,
        cursor: Cursor = FIRST_CURSOR,
        spares: Callable[[EndedRun], bool] | None = None,
    ) -> PruneResult:
        """Delete runs that ended before an instant, each with its children and theirs, the first to end first.

        Examines no more than `limit` runs without a parent, behind `cursor` (end and id).  A run stays as
        long as any of its family has not ended or is in `keep`, or if `spares` says so of it.  Its idempotency key is
        free again.

        Forks of it stay and can be read; so do fires of schedules, whose runs are then unknown, and plans, as a runner
        that has stored one does not store it again.
        """
        ...

    def prune_logs(self, before: Micros, limit: int, cursor: Cursor = FIRST_CURSOR) -> PruneResult:
        """Delete the logs of runs that ended before an instant, with those of their descendants; the runs stay.

        As `prune` it examines no more than `limit` runs without a parent, behind `cursor`.
        """
        ...
