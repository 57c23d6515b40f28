"""A run in this process's memory: its machine, its data, and the decisions that are not yet written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from holdwater.errors import IllegalEvent
from holdwater.kernel import CompiledPlan, Machine
from holdwater.kernel.run_error import describe_run_error
from holdwater.kernel.states import AWAITING_INPUT
from holdwater.model import journal as journal_format
from holdwater.model.claim_keys import claim_key
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
    Started,
    TimedOut,
    TimerSet,
)
from holdwater.model.journal import JournalEntry
from holdwater.model.limits import join_keys
from holdwater.model.plan import Plan
from holdwater.model.ports.clock import Clock
from holdwater.model.ports.definition import AuthoringStyle, RunData, WorkflowDefinition
from holdwater.model.records import QuestionChanges, RunRow, RunUpdate, WorkRow
from holdwater.model.statuses import RunStatus
from holdwater.model.time import UNSET, Micros, add_seconds
from holdwater.runtime.attempt import Attempt
from holdwater.runtime.claim_budget import ClaimBudget
from holdwater.runtime.future import Future
from holdwater.runtime.limit_keys import limit_keys_of

CONTROL_EVENTS: Final = (InputProvided, CancelRequested, Paused, Resumed, TimedOut)
INTERRUPTED_REASON: Final = "its caller was interrupted"
"""reason of a run that was paused with its children, and is resumed with them"""
EVENTS_WITH_REASON: Final = frozenset({CancelRequested, Paused, Resumed})
"""events of people, with a reason of theirs"""


class ActiveRun:
    """`row` is the run row as the store has it; `unsaved_entries` come on top of it.

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
        "release",
        "row",
        "run_data",
        "started_at",
        "stored_questions",
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
        """None: this process does not have the code, or has another structure of it"""
        self.machine = Machine(compiled_plan)
        self.run_data: RunData = style.run_data(self.machine)
        self.is_new = is_new
        self.is_from_store = False
        """it was read from the store: other runners may have begun what is outstanding"""
        self.entries: list[JournalEntry] = []
        """the journal, as far as it is written"""
        self.unsaved_entries: list[JournalEntry] = []
        self.work_rows: dict[int, WorkRow] = {}
        """node -> its row in the queue, as the store has it"""
        self.changed_nodes: set[int] = set()
        self.awaiting_children: set[int] = set()
        """nodes with children to start or cancel"""
        self.to_cancel: list[int] = []
        self.attempts: dict[int, Attempt] = {}
        self.done: Future[ActiveRun] = Future() if done_future is None else done_future
        """set when the run has ended or is paused; a new one when it goes on after that"""
        self.confirmations: list[tuple[Event | None, Future[bool]]] = []
        """requests and the events they became, if any: set with the next commit, or when the event is refused after all
        """
        self.newly_started: list[Attempt] = []
        """attempts seen to begin since the last commit"""
        self.pending_starts: dict[int, int] = {}
        """node -> fence of a task that begins when that is on disk, and not before"""
        self.crash_suspects: set[int] = set()
        """nodes whose last process died, also if it had not recorded that their task functions began"""
        self.deadline_stopped_at = UNSET
        self.reason: str | None = row.reason
        self.release = row.release
        """the one it is pinned to by its journal, unsaved entries included"""
        self.started_at = row.created_at
        """instant it began, or began again after a retry"""
        self.stored_questions: dict[int, int] = {}
        """open questions as the store has them: node -> fence"""
        self.paused_us = 0
        """microseconds it has been paused since then"""

    # -- deciding

    def apply_entry(self, entry: JournalEntry, clock: Clock) -> bool:
        """Apply an event and all that follows from it without a task function; returns False if it comes too late."""
        try:
            self._apply(entry)
        except IllegalEvent:
            return False
        self.run_local_commands(clock)
        return True

    def run_local_commands(self, clock: Clock) -> None:
        """Answer the commands that need no task function: predicates, and instants for timers."""
        machine = self.machine
        while fresh := machine.take_commands():
            for c in fresh:
                match c:
                    case Execute():
                        self.changed_nodes.add(c.node)
                    case Evaluate():
                        is_own_code = self.row.release is None  # no class that a package names is looked for here
                        results = self.run_data.rule_results(c.node, reads_classes=is_own_code)
                        self._apply(JournalEntry(RuleEvaluated(c.node, results)))
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
        """After a fold: answer the commands that need no task function and were outstanding when the journal ended."""
        self.machine.new_commands = [
            c for c in self.machine.todo.values() if type(c) is Evaluate or (type(c) is StartTimer and c.at is None)
        ]
        self.run_local_commands(clock)

    def _apply(self, entry: JournalEntry) -> None:
        event = entry.event
        self.machine.apply(event)
        self.unsaved_entries.append(entry)
        if type(event) in EVENTS_WITH_REASON:
            if type(event) is Resumed:
                self.reason = None
                if event.release is not None:
                    self.release = event.release or None
            else:
                self.reason = event.reason or None  # type: ignore[union-attr]
        node = getattr(entry.event, "node", None)
        if node is not None:
            self.changed_nodes.add(node)

    def start_from_journal(self, journal: Sequence[JournalEntry], clock: Clock) -> None:
        """Begin a new run with these entries.  Raises IllegalEvent, DecodingError."""
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
        """Microseconds the run may take from beginning to end, pauses not counted; None: no limit."""
        deadline = self.row.deadline_at
        return None if deadline is None else deadline - self.started_at - self.paused_us

    @property
    def error(self) -> str | None:
        """The error of a failed run, for people: the task, the exception type and the message."""
        return describe_run_error(self.machine)

    # -- writing

    def build_update(self, now: Micros, budget: ClaimBudget) -> RunUpdate:
        """The change to be written, with new work claimed as far as the budget goes.  Changes nothing here."""
        m, row = self.machine, self.row
        status = m.status
        if self.entries:  # by the clock of another runner, or before the clock was set back
            now = max(now, self.entries[-1].recorded_at)
        new_row = row.copy()
        new_row.seq = row.seq + len(self.unsaved_entries)
        new_row.status = status
        new_row.error = self.error if status == "failed" else None
        new_row.reason = self.reason
        new_row.release = self.release
        new_row.finished_at = now if m.ended else None
        new_row.paused_at = (row.paused_at or now) if status == "paused" else None
        if row.paused_at and status == "running" and row.deadline_at:  # the deadline stands still during a pause
            new_row.deadline_at = Micros(row.deadline_at + now - row.paused_at)
        if new_row.deadline_at is not None:  # and while it sleeps
            new_row.deadline_at = Micros(new_row.deadline_at + self.sleep_us(self.unsaved_entries, now))
        if row.finished_at is not None and not m.ended and self.time_limit_us is not None:  # it has as long again
            new_row.deadline_at = Micros(now + self.time_limit_us)
        if self.definition is not None:
            new_row.code = self.definition.code_fingerprint
        out = RunUpdate(
            new_row, row.seq, [journal_format.encode_entry(e) for e in self.unsaved_entries], now, is_new=self.is_new
        )
        if self.is_new:
            out.plan = self.compiled_plan.plan.to_data() if budget.is_new_plan(row.structure) else None
        paused = status == "paused"
        definition, broad = self.definition, budget.broad_limits
        named = () if definition is None else definition.node_limits
        for node in sorted(self.changed_nodes) if len(self.changed_nodes) > 1 else self.changed_nodes:
            old, command = self.work_rows.get(node), m.todo.get(node)
            new = None if command is None else self._build_work_row(command, now)
            if old is not None and new is not None and (old.fence, old.kind) == (new.fence, new.kind):
                taken_back = paused and old.owner == budget.owner and node not in self.attempts
                if not (taken_back and new.kind != "timer"):
                    continue
            if old is not None:
                out.work_removed.append((old.node, old.fence))
                if old.owner is not None and (
                    old.limit_keys or (broad and limit_keys_of(row, definition, node, broad))
                ):
                    out.frees_limits = True
            if new is not None:
                new.parked = paused
                if new.kind == "execute" and (broad or node in named):
                    new.limit_keys = join_keys(limit_keys_of(row, definition, node, broad))
                if definition is not None and not paused:
                    budget.try_claim(new, definition, m.crash_counts.get(node, 0))
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
        if m.pending_inputs or self.stored_questions:
            out.questions = self._question_changes()
        # another process may wait for it, or execute it
        out.notify = status != "running" or any([_may_come_from_another_runner(e.event) for e in self.unsaved_entries])
        return out

    def _build_work_row(self, command: Command, now: Micros) -> WorkRow | None:
        row = self.row
        key = row.workflow if self.release is None else claim_key(row.workflow, self.release)
        if type(command) is Execute:
            suspect = command.node in self.crash_suspects or command.node in self.machine.crash_counts
            return WorkRow(row.id, command.node, command.fence, "execute", key, now, suspect=suspect)
        if type(command) is AwaitChildren:
            return WorkRow(row.id, command.node, command.generation, "children", key, now)
        if type(command) is StartTimer and command.at is not None:
            fence = self.machine.fences[command.node]
            return WorkRow(row.id, command.node, fence, "timer", key, command.at)
        return None

    def open_questions(self) -> dict[int, int]:
        """Nodes that wait for an answer -> the fences of the attempts that asked."""
        machine = self.machine
        return {i: machine.fences[i] for i in machine.pending_inputs if machine.node_states[i] == AWAITING_INPUT}

    def _question_changes(self) -> QuestionChanges | None:
        """The changes of its open questions to be written; None: there are none."""
        now_open, stored = self.open_questions(), self.stored_questions
        if now_open == stored:
            return None
        asked = [(node, fence) for node, fence in now_open.items() if stored.get(node) != fence]
        return QuestionChanges(asked, [node for node in stored if node not in now_open])

    def mark_saved(self, update: RunUpdate, *, has_newer_changes: bool) -> None:
        """Take in that the change is on disk.

        `has_newer_changes`: more was decided since, and is still to be written.
        """
        old, self.row = self.row, update.run
        if old.finished_at is not None and self.row.finished_at is None:
            self.started_at, self.paused_us = update.at, 0
        elif old.paused_at is not None and self.row.status == RunStatus.RUNNING:
            self.paused_us += update.at - old.paused_at
        written = len(update.entries)
        saved, self.unsaved_entries = self.unsaved_entries[:written], self.unsaved_entries[written:]
        self.paused_us += self.sleep_us(saved, update.at)
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
        if update.questions is not None:
            for node in update.questions.closed:
                del self.stored_questions[node]
            self.stored_questions.update(update.questions.asked)
        self.newly_started.clear()
        self.pending_starts.clear()
        if not has_newer_changes:
            self.changed_nodes.clear()
            self.crash_suspects.clear()

    def sleep_us(self, entries: Sequence[JournalEntry], now: Micros) -> int:
        """Microseconds a sequence will sleep because of these entries: nothing else goes on in it meanwhile."""
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
        """Tell the caller that requested this event that the run has taken it, or does not take it any more."""
        for asked, confirmation in self.confirmations:
            if asked is event:
                confirmation.set_result(accepted)
        self.confirmations = [row for row in self.confirmations if row[0] is not event]

    def confirm_all(self) -> None:
        """Tell the callers that asked for changes of the run that these are on disk."""
        if self.confirmations:
            confirmations, self.confirmations = self.confirmations, []
            for _, confirmation in confirmations:
                confirmation.set_result(True)

    def reject_waiters(self, error: BaseException) -> None:
        """Give the error to all callers that wait for the run."""
        self.done.set_exception(error)
        for _, confirmation in self.confirmations:
            confirmation.set_exception(error)
        self.confirmations = []

    @property
    def has_unsaved_changes(self) -> bool:
        """There is something to write."""
        return bool(self.unsaved_entries or self.changed_nodes or self.newly_started or self.pending_starts)

    @property
    def has_unvalidated_values(self) -> bool:
        """Inputs or answers were given where the code was not known."""
        return any([isinstance(e.event, (InputProvided, Started)) and e.event.unvalidated for e in self.entries])

    def stored_outputs(self) -> dict[str, Any]:
        """The outputs of the run so far, by name, as stored values."""
        return dict(self.run_data.result())


def _may_come_from_another_runner(event: Event) -> bool:
    """The event may come from a runner that does not execute the run: it controls it, or a child of it."""
    return isinstance(event, CONTROL_EVENTS) or (
        type(event) is ChildStatusChanged and event.status == RunStatus.RUNNING
    )
