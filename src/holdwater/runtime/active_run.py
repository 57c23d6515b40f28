"""A run in this process's memory: its machine, its data, and what has been decided but not yet written."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from holdwater.errors import IllegalEvent
from holdwater.kernel import CompiledPlan, Machine
from holdwater.kernel.run_error import describe_run_error
from holdwater.model import journal as journal_format
from holdwater.model.commands import AwaitChildren, Cancel, Command, Evaluate, Execute, StartTimer
from holdwater.model.events import (
    CancelRequested,
    ChildStatusChanged,
    Deferred,
    Event,
    InputProvided,
    Paused,
    Resumed,
    RuleEvaluated,
    TimedOut,
    TimerSet,
)
from holdwater.model.journal import JournalEntry
from holdwater.model.plan import Plan
from holdwater.model.ports import AuthoringStyle, Clock, RunData, Store, WorkflowDefinition
from holdwater.model.records import RunRow, RunUpdate, StoredRun, WorkRow
from holdwater.model.statuses import RunStatus
from holdwater.model.time import UNSET, Micros, add_seconds
from holdwater.runtime.attempt import Attempt
from holdwater.runtime.executors.slots import Executor
from holdwater.runtime.future import Future

CONTROL_EVENTS: Final = (InputProvided, CancelRequested, Paused, Resumed, TimedOut)
INTERRUPTED_REASON: Final = "its caller was interrupted"
"""why a run is paused, with its children, that goes on with them"""
EVENTS_WITH_REASON: Final = frozenset({CancelRequested, Paused, Resumed})
"""events of a person, who may have said why"""


@dataclass(slots=True)
class ClaimBudget:
    """How much of the work a commit creates this runner may take for itself, in the same transaction.

    `slots`: bodies that can begin at once on each executor (their rows are born as begun, so that a body that kills its
    process is counted), empty if the runner is closing; `ahead`: rows that may be leased on each beside these, and
    `prefetch_room`: on all together; `plans`: structures the store is known to have.
    """

    owner: str
    lease_until: Micros
    prefetch_room: int
    free_slots: dict[Executor, int]
    prefetch_slots: dict[Executor, int]
    executor_for_node: Callable[[WorkflowDefinition, int], Executor]
    stored_structures: set[str]
    isolate_after_crashes: int
    """a body that was running in so many crashes runs apart"""
    can_isolate: bool
    """whether this runner has room for one"""
    timers_until: Micros
    """timers due later are left to the scans; a runner that does not scan keeps them all"""
    unclaimed_executors: set[Executor] = field(default_factory=set)
    """where rows stay in the queue for whoever has room"""

    def try_claim(self, row: WorkRow, program: WorkflowDefinition, crashes: int) -> None:
        """Take the row, if there is room and it is due while the lease lasts.

        `crashes`: so many processes died while its body was running.
        """
        if row.kind == "children":
            row.owner, row.lease_until = self.owner, self.lease_until
        elif row.kind == "timer":
            if row.due_at <= self.timers_until:
                row.owner, row.lease_until = self.owner, self.lease_until
        elif crashes < self.isolate_after_crashes:
            self._claim_task(row, self.executor_for_node(program, row.node))
        elif self.can_isolate:  # it begins when the others have ended, and none begins before it
            self.can_isolate = False
            self.free_slots, self.prefetch_slots = {}, {}
            row.owner, row.lease_until = self.owner, self.lease_until

    def _claim_task(self, row: WorkRow, executor: Executor) -> None:
        if self.free_slots.get(executor, 0) > 0:
            self.free_slots[executor] -= 1
            row.started = True
        elif self.prefetch_room > 0 and self.prefetch_slots.get(executor, 0) > 0 and not row.suspect:
            self.prefetch_slots[executor] -= 1
            self.prefetch_room -= 1
        else:
            self.unclaimed_executors.add(executor)
            return
        row.owner, row.lease_until = self.owner, self.lease_until

    def is_new_plan(self, structure: str) -> bool:
        return structure not in self.stored_structures


class ActiveRun:
    """`row` is the head as the store has it; `unsaved_entries` is what comes on top.

    Only the driver's thread touches it.
    """

    __slots__ = (
        "attempts",
        "awaiting_children",
        "changed_nodes",
        "compiled_plan",
        "confirmations",
        "crash_suspects",
        "deadline_stopped_at",
        "definition",
        "done",
        "entries",
        "is_from_store",
        "is_new",
        "machine",
        "newly_started",
        "paused_us",
        "pending_starts",
        "reason",
        "row",
        "run_data",
        "started_at",
        "style",
        "to_cancel",
        "unsaved_entries",
        "work_rows",
    )  # fmt: skip

    def __init__(
        self,
        row: RunRow,
        compiled_plan: CompiledPlan,
        style: AuthoringStyle,
        definition: WorkflowDefinition | None,
        *,
        is_new: bool = False,
        done_future: Future[ActiveRun] | None = None,
    ) -> None:
        self.row = row
        self.compiled_plan = compiled_plan
        self.style = style
        self.definition = definition
        """None: this process does not have the code, or another structure of it"""
        self.machine = Machine(compiled_plan)
        self.run_data: RunData = style.run_data(self.machine)
        self.is_new = is_new
        self.is_from_store = False
        """it was read from the store: others may have begun what is outstanding"""
        self.entries: list[JournalEntry] = []
        """the journal, as far as it is written"""
        self.unsaved_entries: list[JournalEntry] = []
        self.work_rows: dict[int, WorkRow] = {}
        """node -> its row in the queue, as the store has it"""
        self.changed_nodes: set[int] = set()
        self.awaiting_children: set[int] = set()
        """nodes with children to be seen to"""
        self.to_cancel: list[int] = []
        self.attempts: dict[int, Attempt] = {}
        self.done: Future[ActiveRun] = Future() if done_future is None else done_future
        """kept when the run has ended or waits for a person; a new one when it goes on after that"""
        self.confirmations: list[tuple[Event | None, Future[bool]]] = []
        """what somebody asked for, if it is an event: kept with the next commit, or when it is refused after all"""
        self.newly_started: list[Attempt] = []
        """attempts seen to begin since the last commit"""
        self.pending_starts: dict[int, int] = {}
        """node -> fence of what begins when that is on disk, and not before"""
        self.crash_suspects: set[int] = set()
        """nodes whose last process died, whether or not their bodies were seen to begin"""
        self.deadline_stopped_at = UNSET
        self.reason: str | None = row.reason
        self.started_at = row.created_at
        """when it began, or began again"""
        self.paused_us = 0
        """how long it has been paused since then"""

    # -- deciding

    def apply_entry(self, entry: JournalEntry, clock: Clock) -> bool:
        """Take an event and all that follows from it without anybody's help; False if it comes too late."""
        try:
            self._apply(entry)
        except IllegalEvent:
            return False
        self.run_local_commands(clock)
        return True

    def run_local_commands(self, clock: Clock) -> None:
        """Answer the commands that need no body: predicates, and instants for timers."""
        machine = self.machine
        while fresh := machine.take_commands():
            for c in fresh:
                match c:
                    case Execute():
                        self.changed_nodes.add(c.node)
                    case Evaluate():
                        self._apply(JournalEntry(RuleEvaluated(c.node, self.run_data.rule_results(c.node))))
                    case StartTimer(at=None):
                        self._apply(JournalEntry(TimerSet(c.node, add_seconds(clock.now(), c.after_seconds))))
                        self.changed_nodes.add(c.node)
                    case StartTimer():
                        self.changed_nodes.add(c.node)
                    case AwaitChildren():
                        self.changed_nodes.add(c.node)
                        self.awaiting_children.add(c.node)
                    case Cancel():
                        self.to_cancel.append(c.node)

    def resume_local_commands(self, clock: Clock) -> None:
        """After a fold: take up the commands that need no body and were outstanding when the journal ended."""
        self.machine.new_commands = [
            c for c in self.machine.todo.values() if type(c) is Evaluate or (type(c) is StartTimer and c.at is None)
        ]
        self.run_local_commands(clock)

    def _apply(self, entry: JournalEntry) -> None:
        event = entry.event
        self.machine.apply(event)
        self.unsaved_entries.append(entry)
        if type(event) in EVENTS_WITH_REASON:
            self.reason = None if type(event) is Resumed else event.reason or None  # type: ignore[union-attr]
        node = getattr(entry.event, "node", None)
        if node is not None:
            self.changed_nodes.add(node)

    def start_from_journal(self, journal: Sequence[JournalEntry], clock: Clock) -> None:
        """Be born with these entries behind it.  Raises IllegalEvent, DecodingError."""
        for entry in journal:
            self._apply(entry)
        self.machine.take_commands()
        self.changed_nodes = set(self.machine.todo)
        self.resume_local_commands(clock)

    @property
    def ended(self) -> bool:
        """The run is completed, failed or cancelled."""
        return self.machine.ended

    @property
    def plan(self) -> Plan:
        """The plan it was started under."""
        return self.compiled_plan.plan

    @property
    def time_limit_us(self) -> int | None:
        """How long it may take from beginning to end, pauses not counted."""
        deadline = self.row.deadline_at
        return None if deadline is None else deadline - self.started_at - self.paused_us

    @property
    def error(self) -> str | None:
        """Why the run failed, for people: the task, the exception type and the message."""
        return describe_run_error(self.machine)

    # -- writing

    def build_update(self, now: Micros, budget: ClaimBudget) -> RunUpdate:
        """What has to be written, with new work claimed as far as the allowance goes.  Changes nothing here."""
        m, row = self.machine, self.row
        status = m.status
        if self.entries:  # by the clock of another runner, or before the clock was set back
            now = max(now, self.entries[-1].recorded_at)
        head = row.copy()
        head.seq = row.seq + len(self.unsaved_entries)
        head.status = status
        head.error = self.error if status == "failed" else None
        head.reason = self.reason
        head.finished_at = now if m.ended else None
        head.paused_at = (row.paused_at or now) if status == "paused" else None
        if row.paused_at and status == "running" and row.deadline_at:  # the deadline stands still during a pause
            head.deadline_at = Micros(row.deadline_at + now - row.paused_at)
        if head.deadline_at is not None:  # and while it sleeps
            head.deadline_at = Micros(head.deadline_at + self._sleep_us(self.unsaved_entries, now))
        if row.finished_at is not None and not m.ended and self.time_limit_us is not None:  # it has as long again
            head.deadline_at = Micros(now + self.time_limit_us)
        if self.definition is not None:
            head.code = self.definition.code_fingerprint
        out = RunUpdate(
            head, row.seq, [journal_format.encode(e) for e in self.unsaved_entries], now, is_new=self.is_new
        )
        if self.is_new:
            out.plan = self.compiled_plan.plan.to_data() if budget.is_new_plan(row.structure) else None
        paused = status == "paused"
        for node in sorted(self.changed_nodes) if len(self.changed_nodes) > 1 else self.changed_nodes:
            old, command = self.work_rows.get(node), m.todo.get(node)
            new = None if command is None else self._build_work_row(command, now)
            if old is not None and new is not None and (old.fence, old.kind) == (new.fence, new.kind):
                taken_back = paused and old.owner == budget.owner and node not in self.attempts
                if not (taken_back and new.kind != "timer"):
                    continue
            if old is not None:
                out.work_removed.append((old.node, old.fence))
            if new is not None:
                new.parked = paused
                if self.definition is not None and not paused:
                    budget.try_claim(new, self.definition, m.crash_counts.get(node, 0))
                out.work_added.append(new)
        out.started = [
            (a.node, a.fence) for a in self.newly_started if a.state == "running" and self.has_unstarted_work(a)
        ]
        if self.pending_starts:
            gone = {node for node, _ in out.work_removed}
            out.started += [
                (n, f) for n, f in self.pending_starts.items() if n not in gone and self.has_unstarted_row(n, f)
            ]
        if row.paused_at and status == "running":
            out.parked = False
        elif paused and row.status != RunStatus.PAUSED:
            out.parked = True
        # somebody elsewhere may wait for it, or execute it
        out.notify = status != "running" or any([_may_come_from_another_runner(e.event) for e in self.unsaved_entries])
        return out

    def _build_work_row(self, command: Command, now: Micros) -> WorkRow | None:
        if type(command) is Execute:
            suspect = command.node in self.crash_suspects or command.node in self.machine.crash_counts
            return WorkRow(self.row.id, command.node, command.fence, "execute", self.row.workflow, now, suspect=suspect)
        if type(command) is AwaitChildren:
            return WorkRow(self.row.id, command.node, command.generation, "children", self.row.workflow, now)
        if type(command) is StartTimer and command.at is not None:
            fence = self.machine.fences[command.node]
            return WorkRow(self.row.id, command.node, fence, "timer", self.row.workflow, command.at)
        return None

    def mark_saved(self, update: RunUpdate, *, has_newer_changes: bool) -> None:
        """The change is on disk.  `more`: something was decided after it was made up, and is still to be written."""
        old, self.row = self.row, update.run
        if old.finished_at is not None and self.row.finished_at is None:
            self.started_at, self.paused_us = update.at, 0
        elif old.paused_at is not None and self.row.status == RunStatus.RUNNING:
            self.paused_us += update.at - old.paused_at
        written = len(update.entries)
        saved, self.unsaved_entries = self.unsaved_entries[:written], self.unsaved_entries[written:]
        self.paused_us += self._sleep_us(saved, update.at)
        for entry in saved:
            entry.recorded_at = update.at
        self.entries.extend(saved)
        self.is_new = False
        gone = {node for node, _ in update.work_removed}
        for node in gone:
            self.work_rows.pop(node, None)
        for row in update.work_added:
            self.work_rows[row.node] = row
        for node, _ in update.started:
            self.work_rows[node].started = True
        self.newly_started.clear()
        self.pending_starts.clear()
        if not has_newer_changes:
            self.changed_nodes.clear()
            self.crash_suspects.clear()

    def _sleep_us(self, entries: Sequence[JournalEntry], now: Micros) -> int:
        """How long a sequence will sleep because of these: nothing else goes on in it meanwhile."""
        if not self.compiled_plan.plan.sequence:
            return 0
        return sum([max(0, e.event.until - now) for e in entries if type(e.event) is Deferred])

    def has_unstarted_work(self, attempt: Attempt) -> bool:
        """The attempt's row is in the queue, not yet known to have begun."""
        return self.has_unstarted_row(attempt.node, attempt.fence)

    def has_unstarted_row(self, node: int, fence: int) -> bool:
        """The node's row in the queue is this one, not yet known to have begun."""
        row = self.work_rows.get(node)
        return row is not None and row.fence == fence and not row.started

    def resolve_confirmation(self, event: Event, accepted: bool) -> None:
        """Whoever asked for this event learns whether the run has taken it; it does not take it any more."""
        for asked, confirmation in self.confirmations:
            if asked is event:
                confirmation.set_result(accepted)
        self.confirmations = [row for row in self.confirmations if row[0] is not event]

    def reject_waiters(self, error: BaseException) -> None:
        """Nobody here will learn what becomes of the run."""
        self.done.set_exception(error)
        for _, confirmation in self.confirmations:
            confirmation.set_exception(error)
        self.confirmations = []

    @property
    def has_unsaved_changes(self) -> bool:
        """There is something to write."""
        return bool(self.unsaved_entries or self.changed_nodes or self.newly_started or self.pending_starts)

    # -- reading

    def read_journal_tail(self, store: Store | StoredRun) -> None:
        """Fold what others have journalled since, and see the queue as it is.  `unsaved_entries` must be empty."""
        self.is_from_store = True
        seq = self.row.seq if self.entries else 0
        machine, paused_at = self.machine, UNSET
        for journal_row in store.read_journal(self.row.id, after_seq=seq):
            was_ended, was = machine.ended, machine.status
            for k, tree in enumerate(json.loads(journal_row.entries)):
                if journal_row.seq + k <= seq:
                    continue
                entry = journal_format.decode(tree, self.style.decode_value, journal_row.at)
                if type(entry.event) is InputProvided and entry.event.unvalidated and self.definition is not None:
                    entry.event.values = self.definition.validate_answer(entry.event.node, entry.event.values)
                machine.apply(entry.event)
                self.entries.append(entry)
                self.paused_us += self._sleep_us([entry], journal_row.at)
            if was_ended and not machine.ended:
                self.started_at, self.paused_us = journal_row.at, 0
            elif was != machine.status == "paused":
                paused_at = journal_row.at
            elif was == "paused" and machine.status == "running":
                self.paused_us += journal_row.at - paused_at
        head = store.get_run(self.row.id)
        if head is not None:
            self.row = replace(head, seq=len(self.entries))
        self.reason = self.row.reason
        self.machine.take_commands()  # outstanding work is in `todo`; whose it is, the queue says
        self.work_rows = {row.node: row for row in store.work_of_run(self.row.id)}

    @property
    def has_unvalidated_answers(self) -> bool:
        """Whether answers were given where the code was not known."""
        return any([type(entry.event) is InputProvided and entry.event.unvalidated for entry in self.entries])

    def stored_outputs(self) -> dict[str, Any]:
        """What the run produced so far, by name, as stored values."""
        return dict(self.run_data.result())


def _may_come_from_another_runner(event: Event) -> bool:
    """It may come from a runner that does not execute the run: steered, or woken because a child was."""
    return isinstance(event, CONTROL_EVENTS) or (
        type(event) is ChildStatusChanged and event.status == RunStatus.RUNNING
    )
