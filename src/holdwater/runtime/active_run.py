"""A run in this process's memory: its machine, its data, and what has been decided but not yet written."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from holdwater.errors import IllegalEvent
from holdwater.kernel import CompiledPlan, Machine
from holdwater.kernel.compiled_plan import RUN
from holdwater.model import journal as journal_format
from holdwater.model.commands import AwaitChildren, Cancel, Command, Evaluate, Execute, Wake
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
from holdwater.model.ports import AuthoringStyle, Clock, RunData, Store, WorkflowDefinition
from holdwater.model.records import RunRow, RunUpdate, StoredRun, WorkRow
from holdwater.model.statuses import RunStatus
from holdwater.runtime.attempt import Attempt
from holdwater.runtime.executors.slots import Executor
from holdwater.runtime.future import Future

STEERING: Final = (InputProvided, CancelRequested, Paused, Resumed, TimedOut)
INTERRUPTED: Final = "its caller was interrupted"
"""why a run is paused, with its children, that goes on with them"""
WITH_REASON: Final = frozenset({CancelRequested, Paused, Resumed})
"""events of a person, who may have said why"""


@dataclass(slots=True)
class ClaimBudget:
    """How much of the work a commit creates this runner may take for itself, in the same transaction.

    `slots`: bodies that can begin at once on each executor (their rows are born as begun, so that a body that kills its
    process is counted), empty if the runner is closing; `ahead`: rows that may be leased on each beside these, and
    `room`: on all together; `plans`: structures the store is known to have.
    """

    owner: str
    lease_until: int
    room: int
    slots: dict[Executor, int]
    ahead: dict[Executor, int]
    route: Callable[[WorkflowDefinition, int], Executor]
    plans: set[str]
    apart_after: int
    """a body that was running in so many crashes runs apart"""
    apart_free: bool
    """whether this runner has room for one"""
    timers_until: int
    """timers due later are left to the scans; a runner that does not scan keeps them all"""
    left: set[Executor] = field(default_factory=set)
    """where rows stay in the queue for whoever has room"""

    def try_claim(self, row: WorkRow, program: WorkflowDefinition, crashes: int) -> None:
        """Take the row, if there is room and it is due while the lease lasts.

        `crashes`: so many processes died while its body was running.
        """
        if row.kind == "children":
            row.owner, row.lease_until = self.owner, self.lease_until
        elif row.kind == "wake":
            if row.due_at <= self.timers_until:
                row.owner, row.lease_until = self.owner, self.lease_until
        elif crashes < self.apart_after:
            self._claim_body(row, self.route(program, row.node))
        elif self.apart_free:  # it begins when the others have ended, and none begins before it
            self.apart_free = False
            self.slots, self.ahead = {}, {}
            row.owner, row.lease_until = self.owner, self.lease_until

    def _claim_body(self, row: WorkRow, executor: Executor) -> None:
        if self.slots.get(executor, 0) > 0:
            self.slots[executor] -= 1
            row.started = True
        elif self.room > 0 and self.ahead.get(executor, 0) > 0 and not row.suspect:
            self.ahead[executor] -= 1
            self.room -= 1
        else:
            self.left.add(executor)
            return
        row.owner, row.lease_until = self.owner, self.lease_until

    def plan_is_new(self, structure: str) -> bool:
        return structure not in self.plans


class ActiveRun:
    """`row` is the head as the store has it; `unsaved` is what comes on top.  Only the driver's thread touches it."""

    __slots__ = (
        "attempts",
        "awaiting_children",
        "began_at",
        "begun",
        "board",
        "born",
        "confirmations",
        "done",
        "entries",
        "inherited",
        "layout",
        "machine",
        "paused_us",
        "program",
        "reason",
        "row",
        "starting",
        "stopped_at",
        "style",
        "suspects",
        "to_cancel",
        "touched",
        "unsaved",
        "work",
    )  # fmt: skip

    def __init__(
        self,
        row: RunRow,
        layout: CompiledPlan,
        style: AuthoringStyle,
        program: WorkflowDefinition | None,
        *,
        born: bool = False,
        settled: Future[ActiveRun] | None = None,
    ) -> None:
        self.row = row
        self.layout = layout
        self.style = style
        self.program = program
        """None: this process does not have the code, or another structure of it"""
        self.machine = Machine(layout)
        self.board: RunData = style.board(self.machine)
        self.born = born
        self.inherited = False
        """it was read from the store: others may have begun what is outstanding"""
        self.entries: list[JournalEntry] = []
        """the journal, as far as it is written"""
        self.unsaved: list[JournalEntry] = []
        self.work: dict[int, WorkRow] = {}
        """node -> its row in the queue, as the store has it"""
        self.touched: set[int] = set()
        self.awaiting_children: set[int] = set()
        """nodes with children to be seen to"""
        self.to_cancel: list[int] = []
        self.attempts: dict[int, Attempt] = {}
        self.done: Future[ActiveRun] = Future() if settled is None else settled
        """kept when the run has ended or waits for a person; a new one when it goes on after that"""
        self.confirmations: list[tuple[Event | None, Future[bool]]] = []
        """what somebody asked for, if it is an event: kept with the next commit, or when it is refused after all"""
        self.begun: list[Attempt] = []
        """attempts seen to begin since the last commit"""
        self.starting: dict[int, int] = {}
        """node -> fence of what begins when that is on disk, and not before"""
        self.suspects: set[int] = set()
        """nodes whose last process died, whether or not their bodies were seen to begin"""
        self.stopped_at = 0
        self.reason: str | None = row.reason
        self.began_at = row.created_at
        """when it began, or began again"""
        self.paused_us = 0
        """how long it has been paused since then"""

    # -- deciding

    def decide(self, entry: JournalEntry, clock: Clock) -> bool:
        """Take an event and all that follows from it without anybody's help; False if it comes too late."""
        try:
            self._take_in(entry)
        except IllegalEvent:
            return False
        self.settle(clock)
        return True

    def settle(self, clock: Clock) -> None:
        """Answer the commands that need no body: predicates, and instants for timers."""
        machine = self.machine
        while fresh := machine.take():
            for c in fresh:
                match c:
                    case Execute():
                        self.touched.add(c.node)
                    case Evaluate():
                        self._take_in(JournalEntry(RuleEvaluated(c.node, self.board.rule_results(c.node))))
                    case Wake(at=None):
                        self._take_in(JournalEntry(TimerSet(c.node, clock.now() + int(c.after_s * 1e6))))
                        self.touched.add(c.node)
                    case Wake():
                        self.touched.add(c.node)
                    case AwaitChildren():
                        self.touched.add(c.node)
                        self.awaiting_children.add(c.node)
                    case Cancel():
                        self.to_cancel.append(c.node)

    def resume_decisions(self, clock: Clock) -> None:
        """After a fold: take up the commands that need no body and were outstanding when the journal ended."""
        self.machine.new_commands = [
            c for c in self.machine.todo.values() if type(c) is Evaluate or (type(c) is Wake and c.at is None)
        ]
        self.settle(clock)

    def _take_in(self, entry: JournalEntry) -> None:
        event = entry.event
        self.machine.apply(event)
        self.unsaved.append(entry)
        if type(event) in WITH_REASON:
            self.reason = None if type(event) is Resumed else event.reason or None  # type: ignore[union-attr]
        node = getattr(entry.event, "node", None)
        if node is not None:
            self.touched.add(node)

    def begin_with(self, journal: Sequence[JournalEntry], clock: Clock) -> None:
        """Be born with these entries behind it.  Raises IllegalEvent, DecodingError."""
        for entry in journal:
            self._take_in(entry)
        self.machine.take()
        self.touched = set(self.machine.todo)
        self.resume_decisions(clock)

    @property
    def limit_us(self) -> int | None:
        """How long it may take from beginning to end, pauses not counted."""
        deadline = self.row.deadline_at
        return None if deadline is None else deadline - self.began_at - self.paused_us

    @property
    def error(self) -> str | None:
        """Why the run failed, for people: the task, the exception type and the message."""
        m = self.machine
        if not m.failed or not m.errors:
            return None
        if RUN in m.errors:
            return m.errors[RUN][1]
        nodes = self.layout.plan.nodes
        fatal = sorted(i for i in m.errors if nodes[i].on_error != "ignore")
        first = f"task {nodes[fatal[0]].name!r} failed: {m.errors[fatal[0]][1]}"
        return first if len(fatal) == 1 else f"{first} (and {len(fatal) - 1} more failed)"

    # -- writing

    def change(self, now: int, allowance: ClaimBudget) -> RunUpdate:
        """What has to be written, with new work claimed as far as the allowance goes.  Changes nothing here."""
        m, row = self.machine, self.row
        status = m.status
        if self.entries:  # by the clock of another runner, or before the clock was set back
            now = max(now, self.entries[-1].at)
        head = row.copy()
        head.seq = row.seq + len(self.unsaved)
        head.status = status
        head.error = self.error if status == "failed" else None
        head.reason = self.reason
        head.finished_at = now if m.ended else None
        head.paused_at = (row.paused_at or now) if status == "paused" else None
        if row.paused_at and status == "running" and row.deadline_at:  # the deadline stands still during a pause
            head.deadline_at = row.deadline_at + now - row.paused_at
        if head.deadline_at is not None:  # and while it sleeps
            head.deadline_at += self._slept_us(self.unsaved, now)
        if row.finished_at is not None and not m.ended and self.limit_us is not None:  # it has as long again
            head.deadline_at = now + self.limit_us
        if self.program is not None:
            head.code = self.program.code
        out = RunUpdate(head, row.seq, [journal_format.encode(e) for e in self.unsaved], now, is_new=self.born)
        if self.born:
            out.plan = self.layout.plan.to_data() if allowance.plan_is_new(row.structure) else None
        paused = status == "paused"
        for node in sorted(self.touched) if len(self.touched) > 1 else self.touched:
            old, command = self.work.get(node), m.todo.get(node)
            new = None if command is None else self._work_row(command, now)
            if old is not None and new is not None and (old.fence, old.kind) == (new.fence, new.kind):
                taken_back = paused and old.owner == allowance.owner and node not in self.attempts
                if not (taken_back and new.kind != "wake"):
                    continue
            if old is not None:
                out.work_removed.append((old.node, old.fence))
            if new is not None:
                new.parked = paused
                if self.program is not None and not paused:
                    allowance.try_claim(new, self.program, m.crashes.get(node, 0))
                out.work_added.append(new)
        out.started = [(a.node, a.fence) for a in self.begun if a.state == "running" and self.holds(a)]
        if self.starting:
            gone = {node for node, _ in out.work_removed}
            out.started += [(n, f) for n, f in self.starting.items() if n not in gone and self.has_row(n, f)]
        if row.paused_at and status == "running":
            out.parked = False
        elif paused and row.status != RunStatus.PAUSED:
            out.parked = True
        # somebody elsewhere may wait for it, or execute it
        out.notify = status != "running" or any([_may_be_foreign(e.event) for e in self.unsaved])
        return out

    def _work_row(self, command: Command, now: int) -> WorkRow | None:
        if type(command) is Execute:
            suspect = command.node in self.suspects or command.node in self.machine.crashes
            return WorkRow(self.row.id, command.node, command.fence, "execute", self.row.workflow, now, suspect=suspect)
        if type(command) is AwaitChildren:
            return WorkRow(self.row.id, command.node, command.generation, "children", self.row.workflow, now)
        if type(command) is Wake and command.at is not None:
            fence = self.machine.issues[command.node]
            return WorkRow(self.row.id, command.node, fence, "wake", self.row.workflow, command.at)
        return None

    def saved(self, change: RunUpdate, *, more: bool) -> None:
        """The change is on disk.  `more`: something was decided after it was made up, and is still to be written."""
        old, self.row = self.row, change.run
        if old.finished_at is not None and self.row.finished_at is None:
            self.began_at, self.paused_us = change.at, 0
        elif old.paused_at is not None and self.row.status == RunStatus.RUNNING:
            self.paused_us += change.at - old.paused_at
        written = len(change.entries)
        saved, self.unsaved = self.unsaved[:written], self.unsaved[written:]
        self.paused_us += self._slept_us(saved, change.at)
        for entry in saved:
            entry.at = change.at
        self.entries.extend(saved)
        self.born = False
        gone = {node for node, _ in change.work_removed}
        for node in gone:
            self.work.pop(node, None)
        for row in change.work_added:
            self.work[row.node] = row
        for node, _ in change.started:
            self.work[node].started = True
        self.begun.clear()
        self.starting.clear()
        if not more:
            self.touched.clear()
            self.suspects.clear()

    def _slept_us(self, entries: Sequence[JournalEntry], now: int) -> int:
        """How long a sequence will sleep because of these: nothing else goes on in it meanwhile."""
        if not self.layout.plan.sequence:
            return 0
        return sum([max(0, e.event.until - now) for e in entries if type(e.event) is Deferred])

    def holds(self, attempt: Attempt) -> bool:
        """The attempt's row is in the queue, not yet known to have begun."""
        return self.has_row(attempt.node, attempt.fence)

    def has_row(self, node: int, fence: int) -> bool:
        """The node's row in the queue is this one, not yet known to have begun."""
        row = self.work.get(node)
        return row is not None and row.fence == fence and not row.started

    def confirm(self, event: Event, taken: bool) -> None:
        """Whoever asked for this event learns whether the run has taken it; it does not take it any more."""
        for asked, confirmation in self.confirmations:
            if asked is event:
                confirmation.set_result(taken)
        self.confirmations = [row for row in self.confirmations if row[0] is not event]

    def reject(self, error: BaseException) -> None:
        """Nobody here will learn what becomes of the run."""
        self.done.set_exception(error)
        for _, confirmation in self.confirmations:
            confirmation.set_exception(error)
        self.confirmations = []

    @property
    def dirty(self) -> bool:
        """There is something to write."""
        return bool(self.unsaved or self.touched or self.begun or self.starting)

    # -- reading

    def read_tail(self, store: Store | StoredRun) -> None:
        """Fold what others have journalled since, and see the queue as it is.  `unsaved` must be empty."""
        self.inherited = True
        seq = self.row.seq if self.entries else 0
        machine, paused_at = self.machine, 0
        for journal_row in store.journal(self.row.id, after=seq):
            was_ended, was = machine.ended, machine.status
            for k, tree in enumerate(json.loads(journal_row.entries)):
                if journal_row.seq + k <= seq:
                    continue
                entry = journal_format.decode(tree, self.style.unpack, journal_row.at)
                if type(entry.event) is InputProvided and entry.event.unchecked and self.program is not None:
                    entry.event.values = self.program.accepted(entry.event.node, entry.event.values)
                machine.apply(entry.event)
                self.entries.append(entry)
                self.paused_us += self._slept_us([entry], journal_row.at)
            if was_ended and not machine.ended:
                self.began_at, self.paused_us = journal_row.at, 0
            elif was != machine.status == "paused":
                paused_at = journal_row.at
            elif was == "paused" and machine.status == "running":
                self.paused_us += journal_row.at - paused_at
        head = store.run(self.row.id)
        if head is not None:
            self.row = replace(head, seq=len(self.entries))
        self.reason = self.row.reason
        self.machine.take()  # outstanding work is in `todo`; whose it is, the queue says
        self.work = {row.node: row for row in store.work(self.row.id)}

    @property
    def has_unchecked_answers(self) -> bool:
        """Whether answers were given where the code was not known."""
        return any([type(entry.event) is InputProvided and entry.event.unchecked for entry in self.entries])

    def result(self) -> dict[str, Any]:
        """What the run produced so far, by name, as stored values."""
        return dict(self.board.result())


def _may_be_foreign(event: Event) -> bool:
    """It may come from a runner that does not execute the run: steered, or woken because a child was."""
    return isinstance(event, STEERING) or (type(event) is ChildStatusChanged and event.status == RunStatus.RUNNING)
