"""The seams: what the engine asks of a store, a clock, an authoring style and a definition."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol

from holdwater.model.error_report import ErrorText
from holdwater.model.plan import Plan
from holdwater.model.policies import NodePolicy
from holdwater.model.records import (
    FIRST_CURSOR,
    CommitResult,
    Cursor,
    JournalRow,
    Notification,
    PruneResult,
    RunFilter,
    RunRow,
    RunUpdate,
    StoredRun,
    WorkRow,
)
from holdwater.model.results import NodeResult
from holdwater.model.run_state import RunState
from holdwater.model.schedules import FireCounts, FireRow, FireWithRun, Firing, ScheduleRow
from holdwater.model.time import MONOTONIC_UNSET, ClockSample, Micros, MonotonicMicros


class Clock(Protocol):
    """Time.  Instants are integer microseconds since the epoch."""

    def now(self) -> Micros: ...

    def earliest_now(self) -> Micros:
        """`now`, or what the reference clock shows if that seems to have been set back."""
        ...

    def seconds_until(self, instant: Micros) -> float | None:
        """Real seconds to wait until then, None if only `on_jump` will tell."""
        ...

    def monotonic(self) -> MonotonicMicros:
        """Microseconds of the monotonic clock: the same whatever clocks are set."""
        ...

    def adjust(self, sample: ClockSample | None) -> int:
        """Take in a sample of the reference clock; None: of the machine's wall clock.

        Returns by how much `now` jumped, in microseconds.
        """
        ...

    def on_jump(self, callback: Callable[[], None]) -> None:
        """Call `wake` whenever time passes other than by waiting."""
        ...


class LeaseRenewal(Protocol):
    """Another process that renews an owner's leases while this one runs and cannot: a body holds the interpreter."""

    def note_renewed(self, offset_us: int) -> None:
        """The leases were renewed now.  `offset_us`: how far instants are ahead of the monotonic clock."""
        ...

    def stop(self) -> None:
        """There are no leases."""
        ...


class Schedules(Protocol):
    """Where schedules live, beside the runs they fire.  Every method is one transaction."""

    def put_schedule(self, row: ScheduleRow) -> bool:
        """Insert a row of version 0, or change the row that has this id and version; every write adds one to it.

        False, and nothing written, if somebody else was first: the version is another, or the name is taken.
        """
        ...

    def get_schedule(self, schedule_id: str) -> ScheduleRow | None: ...

    def schedule_by_name(self, kind: str, name: str) -> ScheduleRow | None: ...

    def list_schedules(
        self, kind: str | None = None, *, enabled_only: bool = False, limit: int = 100, offset: int = 0
    ) -> list[ScheduleRow]:
        """The oldest first."""
        ...

    def delete_schedule(self, schedule_id: str) -> bool:
        """With its history; its runs stay.  False: there is none."""
        ...

    def due_schedules(self, kind: str, before: Micros, limit: int, names: Collection[str]) -> list[ScheduleRow]:
        """Enabled ones to look at by then, the most urgent first.  `names`: of workflows; for triggers, their own."""
        ...

    def next_due_at(self, kind: str, names: Collection[str]) -> Micros | None:
        """When the first of them is to be looked at."""
        ...

    def commit_firings(self, firings: Sequence[Firing]) -> list[bool]:
        """All in one transaction.  False for a schedule whose version is another by now: nothing of its is written.

        A birth must be of a run that nobody knows yet, and have no idempotency key.
        """
        ...

    def list_fires(self, schedule_id: str, limit: int, offset: int = 0) -> list[FireWithRun]:
        """What became of its instants, newest first."""
        ...

    def unfinished_fires(self, schedule_ids: Collection[str]) -> list[tuple[str, str | None]]:
        """(schedule, context hash) of fires whose runs are unfinished, or wait in a queue."""
        ...

    def startable_fires(
        self, names: Collection[str], limit: int, *, max_attempts: int, tried_before: Micros, not_before: Micros
    ) -> list[FireRow]:
        """Fires without a run that may have one now: asked for; the first of a queue nothing stands before any more;
        failed fewer than `max_attempts` times, not since `tried_before`, and of an instant not before `not_before`.
        """
        ...

    def queued_fires(self, schedule_id: str) -> list[FireRow]:
        """Fires of a schedule that wait for an earlier run of it, the oldest first."""
        ...

    def has_waiting_fires(self) -> bool:
        """Whether any fire waits, ready or not."""
        ...

    def expire_fires(self, not_before: Micros, reason: str) -> None:
        """Close the books on fires whose runs have ended; what has waited since before `not_before` is skipped."""
        ...

    def count_fires(self, since: Micros, lost_before: Micros) -> FireCounts:
        """Of cron schedules.  Lost is what was decided before then and has no run."""
        ...

    def register_workflows(self, workflows: Collection[str], now: Micros) -> None:
        """Some runner on this store knows these workflows."""
        ...

    def is_workflow_registered(self, workflow: str) -> bool: ...


class Store(Schedules, Protocol):
    """Where runs live.  Synchronous and thread-safe; every method is one transaction.

    Raises StoreUnavailable when the database cannot be reached or written now, and nothing was changed.
    """

    url: str
    tracks_liveness: bool
    """whether owners that live are known to, so that no lease that has expired is taken from one that runs"""

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
        """Whether the owner lives; None: only its leases can tell."""
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
        """What renews the owner's leases from another process while nothing in this one can; None if none is needed."""
        ...

    def next_lease_expiry(self, owner: str) -> Micros | None:
        """When the first lease that is not this owner's runs out, if it is not renewed."""
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
        """Take unowned, unparked work of these workflows, the oldest first; rows as they were before.

        That is `limit` bodies at most, whatever their `due_at`, and as many of what needs no slot and is due until
        then.  `within_run_id`: only that of this run and of the children its nodes have fanned out to.
        `excluded_nodes`: not the bodies of these (workflow, node) pairs; `include_tasks` False: none at all.
        """
        ...

    def release_work(self, owner: str, rows: Sequence[WorkRow]) -> None:
        """Give back work that was claimed and not begun."""
        ...

    def get_run(self, run_id: str) -> RunRow | None: ...

    def journal_lengths(self, run_ids: Collection[str]) -> dict[str, int]:
        """How many journal entries each of these runs has; what is not there is left out."""
        ...

    def read_runs(self, run_ids: Collection[str]) -> dict[str, StoredRun]:
        """Everything of several runs, with few queries; what is not there is left out."""
        ...

    def list_runs(self, run_filter: RunFilter) -> list[RunRow]:
        """Heads of runs, newest first: by birth, then by id.  Raises RunNotFound if there is no run `before`."""
        ...

    def count_runs(self, run_filter: RunFilter) -> dict[str, int]:
        """How many runs there are of each status, whatever page is asked for."""
        ...

    def find_by_prefix(self, prefix: str, limit: int) -> list[str]:
        """Ids that begin so, in their order; not those of children whose parents' ids do, too."""
        ...

    def find_by_suffix(self, suffix: str, limit: int) -> list[str]:
        """Ids of top-level runs that end so, in their order.  Looks at every id there is."""
        ...

    def get_plan(self, structure: str) -> dict[str, Any] | None:
        """The stored plan of a structure fingerprint, as data."""
        ...

    def read_journal(self, run_id: str, after_seq: int = 0) -> list[JournalRow]:
        """The journal from entry `after` + 1 on."""
        ...

    def work_of_run(self, run_id: str) -> list[WorkRow]:
        """Outstanding work of a run."""
        ...

    def work_of_runs(self, run_ids: Collection[str]) -> dict[str, list[WorkRow]]:
        """Outstanding work of several runs; runs without any are left out."""
        ...

    def work_of_owner(self, owner: str) -> list[WorkRow]:
        """Everything the owner holds, by run, node and fence."""
        ...

    def overdue_runs(self, before: Micros) -> list[tuple[str, str, Micros]]:
        """(run, workflow, deadline) of unfinished, unowned runs with a deadline up to this instant, oldest first."""
        ...

    def orphaned_children(self) -> list[tuple[str, str]]:
        """(run, workflow) of unfinished children of runs that have ended."""
        ...

    def iter_runs(self) -> Iterator[RunRow]:
        """All runs, in pages, oldest first."""
        ...

    def prune(self, before: Micros, keep: Collection[str], limit: int, cursor: Cursor = FIRST_CURSOR) -> PruneResult:
        """Delete runs that ended before an instant, each with its children and theirs, the first to end first.

        Looks at no more than `limit` runs that are nobody's children, behind `after` (its end and id).  A run stays as
        long as any of its family has not ended or is in `keep`.  Its idempotency key is free again.

        Forks of it stay and can be read; so do fires of schedules, whose runs are then unknown, and plans, as a runner
        that has stored one does not store it again.
        """
        ...


class RunData(Protocol):
    """A run's data as its style sees it: views on a machine's cells.  Knows no code of the user."""

    def view(self, node: int) -> Any:
        """What the node's body gets.  The value may be read in another thread, without the machine."""
        ...

    def visible_names(self, node: int) -> Collection[str]:
        """The names of the values the node sees."""
        ...

    def rule_results(self, node: int) -> tuple[bool, ...]:
        """The truth of each value predicate of the node's rule."""
        ...

    def result(self) -> Mapping[str, Any]:
        """What the run produced, by name, as stored values."""
        ...


class AuthoringStyle(Protocol):
    """An authoring style, as far as a process needs it that does not have the user's code."""

    name: str

    def run_data(self, machine: RunState) -> RunData: ...

    def decode_value(self, tree: Any) -> Any:
        """A cell value from the tree the journal holds."""
        ...

    def merge_overrides(self, values: Mapping[str, Any], removed: Collection[str], base: Any) -> Any:
        """The data of `InputsOverridden`: these values set and these names removed, over earlier ones (None: none).

        Raises EncodingError.
        """
        ...

    def encode_answer(self, cell_count: int, value: Any) -> tuple[Any, ...]:
        """The cells of an answer, for a node with so many.  Raises EncodingError."""
        ...

    def skip_reason(self, values: tuple[Any, ...]) -> str | None:
        """The reason a function gave for having done nothing, from the cells of its node; None: it did its work."""
        ...


class TaskControl(Protocol):
    """What a running body can ask of the engine."""

    @property
    def cancelled(self) -> bool: ...


class PortableTask(Protocol):
    """The code of one node alone, picklable: what another process needs to run it."""

    def source_file(self) -> str:
        """The file its code was read from, for tracebacks from elsewhere; "" if that is unknown."""
        ...

    def referenced_names(self) -> Mapping[str, Any]:
        """What the code uses by name, for the message when it cannot be pickled."""
        ...

    def execute(self, payload: bytes, control: Any) -> bytes:
        """Run it on what `Program.send` wrote; `Program.receive` understands the answer.  What it raises comes out."""
        ...


class WorkflowDefinition(Protocol):
    """A definition as the engine runs it: a plan, and how to perform its nodes."""

    @property
    def plan(self) -> Plan: ...

    def specialize(self, inputs: Any) -> WorkflowDefinition:
        """This program, or the variant of it that runs with such inputs.  Raises what `start` raises."""
        ...

    def variant(self, description: str) -> WorkflowDefinition:
        """The variant whose plan describes itself so."""
        ...

    @property
    def code_fingerprint(self) -> str:
        """Fingerprint of the bodies: recorded and shown, never a reason to refuse."""
        ...

    @property
    def style(self) -> AuthoringStyle: ...

    def select_inputs(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Of all that a caller has, what the definition takes."""
        ...

    def encode_inputs(self, inputs: Any) -> dict[str, Any]:
        """Cells to start with, from what the caller gave.  Raises EncodingError."""
        ...

    def policy(self, node: int) -> NodePolicy: ...

    def is_async(self, node: int) -> bool: ...

    def routing_key(self, node: int) -> str:
        """`tenant::package::workflow::node`, for routing."""
        ...

    def executor_name(self, node: int) -> str | None:
        """The executor the definition asks for, None if it leaves that to the runner."""
        ...

    def portable_task(self, node: int) -> PortableTask: ...

    def serialize_inputs(self, node: int, view: Any) -> tuple[bytes, list[Any]]:
        """A view as bytes, and the classes and registered types of what is in it."""
        ...

    def deserialize_result(self, node: int, view: Any, payload: bytes) -> NodeResult:
        """What a body elsewhere gave.  Raises DecodingError."""
        ...

    def execute(self, node: int, view: Any, control: Any) -> NodeResult:
        """Run a body; whatever it raises comes out."""
        ...

    async def execute_async(self, node: int, view: Any, control: Any) -> NodeResult: ...

    def child_definitions(self) -> Mapping[int, WorkflowDefinition]:
        """What the child runs of each node that fans out execute; found by the names of their plans."""
        ...

    def encode_answer(self, node: int, value: Any) -> tuple[Any, ...]:
        """The cells of an answer to the node's question.  Raises EncodingError, and what says that it is wrong."""
        ...

    def validate_answer(self, node: int, cells: tuple[Any, ...]) -> tuple[Any, ...]:
        """The cells of an answer that was given as JSON in a process without this code, converted and checked.

        Those of a wrong answer raise AnswerError when they are read.
        """
        ...

    def on_failure(self, node: int, view: Any, error: ErrorText) -> tuple[str, ...]:
        """Tell the node's observer of a failed attempt; returns failures of the observer itself."""
        ...
