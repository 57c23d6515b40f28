"""History of each node of a run: states, times, attempts and errors, folded from its journal."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from holdwater.events.skip_reasons import skip_reason
from holdwater.kernel import Machine
from holdwater.kernel.states import AWAITING_CHILDREN, AWAITING_INPUT, DELAYED, EVALUATING, ISSUED, WAITING
from holdwater.model import events as ev
from holdwater.model import ids
from holdwater.model.journal import JournalEntry
from holdwater.model.rules import CANCELLED, FAILED, SETTLED_OUTCOMES, SKIPPED, SUCCEEDED, UPSTREAM_FAILED
from holdwater.model.time import Micros
from holdwater.runs.nodes import AttemptOutcome, AttemptView, Failure, NodeState, NodeView
from holdwater.runtime.active_run import ActiveRun

_NODE_STATES: Final = {
    WAITING: NodeState.PENDING,
    EVALUATING: NodeState.PENDING,
    ISSUED: NodeState.READY,
    DELAYED: NodeState.WAITING,
    AWAITING_INPUT: NodeState.WAITING,
    AWAITING_CHILDREN: NodeState.RUNNING,
    SUCCEEDED: NodeState.COMPLETED,
    FAILED: NodeState.FAILED,
    SKIPPED: NodeState.SKIPPED,
    UPSTREAM_FAILED: NodeState.SKIPPED,
    CANCELLED: NodeState.CANCELLED,
}


def build_nodes(run: ActiveRun, journal: tuple[JournalEntry, ...]) -> tuple[NodeView, ...]:
    """Every node, in definition order.  `journal`: the entries of the run."""
    histories = [_NodeHistory() for _ in run.compiled_plan.plan.nodes]
    resets = _find_reset_nodes(run, journal)
    for number, entry in enumerate(journal, 1):
        for i in resets.get(number, ()):
            histories[i].start_again()
        node = getattr(entry.event, "node", None)
        if node is not None:
            histories[node].record(entry, number)
    halted, loops = frozenset(run.machine.halted_nodes), _loops_by_node(run)
    return tuple(
        [_to_view(run, i, history, is_halted=i in halted, loop=loops.get(i, ())) for i, history in enumerate(histories)]
    )


@dataclass(slots=True)
class _NodeHistory:
    """One node, as far as the journal has been read."""

    started_at: Micros | None = None
    ended_at: Micros | None = None
    attempts: list[AttemptView] = field(default_factory=list)
    attempt_count: int = 0
    iterations: int = 0
    error: str | None = None
    traceback: str | None = None
    category: str | None = None
    notes: tuple[str, ...] = ()
    iteration_ended: bool = True
    """the next attempt is the first of another iteration"""
    first_call_at: Micros | None = None
    """start of an attempt that has been suspended (a wait, child runs) since"""

    def start_again(self) -> None:
        """Reset for a retry or new inputs: earlier attempts count, their times and errors are dropped."""
        self.started_at = self.ended_at = self.error = self.traceback = self.category = None
        self.first_call_at = None
        if self.attempt_count:
            self.iteration_ended = False

    def record(self, entry: JournalEntry, number: int) -> None:
        """Take in one entry about the node."""
        match entry.event:
            case ev.Succeeded():
                self._end_attempt(entry, number, "completed")
                self.iteration_ended = True
                self.started_at, self.ended_at = self.started_at or entry.started_at, entry.ended_at
                self._set_error(None)
            case ev.Failed(retry_at=retry_at) as failed:
                self._set_error(failed)
                self._end_attempt(entry, number, "failed", retry_at)
                self.started_at, self.ended_at = self.started_at or entry.started_at or None, entry.ended_at
            case ev.AttemptLost(counts_as_crash=True):
                self._set_error(None)
                self.error = "its process died"
                self._end_attempt(entry, number, "lost")
            case ev.Cancelled() if entry.started_at:
                self._end_attempt(entry, number, "cancelled")
                self.started_at, self.ended_at = self.started_at or entry.started_at, entry.ended_at
            case ev.ChildRunsRequested() | ev.Deferred():
                if isinstance(entry.event, ev.ChildRunsRequested):
                    self.started_at = self.started_at or entry.started_at
                self.first_call_at = self.first_call_at or entry.started_at
                return
            case ev.InputRequested():
                self._set_error(None)
                self._end_attempt(entry, number, "awaiting_input")
                self.started_at = self.started_at or entry.started_at
            case ev.InputProvided():
                self.ended_at = entry.recorded_at
                self.iteration_ended = True
                return
            case ev.Cancelled():
                self.first_call_at = None
            case _:
                return
        self.notes += entry.observer_errors

    def next_attempt(self) -> tuple[int, int]:
        """Return number and iteration of the next attempt."""
        return (1, self.iterations + 1) if self.iteration_ended else (self.attempt_count + 1, self.iterations)

    def _end_attempt(
        self, entry: JournalEntry, number: int, outcome: AttemptOutcome, retry_at: Micros | None = None
    ) -> None:
        self.attempt_count, self.iterations = self.next_attempt()
        self.iteration_ended = False
        first_call, self.first_call_at = self.first_call_at, None
        attempt = AttemptView(
            self.attempt_count,
            self.iterations,
            outcome,
            number,
            first_call or entry.started_at or None,
            entry.ended_at or None,
        )
        if outcome in ("failed", "lost"):
            attempt = replace(
                attempt, error=self.error, traceback=self.traceback, category=self.category, retry_at=retry_at
            )
        self.attempts.append(attempt)

    def _set_error(self, failed: ev.Failed | None) -> None:
        if failed is None:
            self.error = self.traceback = self.category = None
        else:
            self.error, self.traceback, self.category = failed.error, failed.traceback or None, failed.kind


def _to_view(run: ActiveRun, i: int, history: _NodeHistory, *, is_halted: bool, loop: tuple[str, ...]) -> NodeView:
    machine, compiled = run.machine, run.compiled_plan
    node, state = compiled.plan.nodes[i], _NODE_STATES[machine.node_states[i]]
    row = run.work_rows.get(i)
    attempts = tuple(history.attempts)
    if row is not None and row.started and row.kind == "execute" and state is NodeState.READY:
        state = NodeState.RUNNING
        attempts += (AttemptView(*history.next_attempt(), "running", worker=_process(row.owner)),)
    error = machine.errors.get(i)
    return NodeView(
        node.name,
        node.kind,
        state,
        history.started_at,
        history.ended_at,
        attempts,
        history.attempt_count,
        history.iterations,
        history.error,
        history.traceback,
        history.category,
        None if error is None else Failure(*error),
        skip_reason(machine, i) if machine.node_states[i] in (SKIPPED, UPSTREAM_FAILED) else None,
        history.notes,
        machine.deferred_until.get(i),
        machine.run_counts[i],
        i in machine.todo or i in machine.pending_inputs,
        is_halted,
        loop,
    )


def _loops_by_node(run: ActiveRun) -> dict[int, tuple[str, ...]]:
    """Node in a loop -> names of the nodes of that loop."""
    compiled, found = run.compiled_plan, dict[int, tuple[str, ...]]()
    for loop in compiled.loop_of:
        if loop is not None:
            members = compiled.unit_members[loop.unit]
            found.update(dict.fromkeys(members, tuple([compiled.plan.nodes[j].name for j in members])))
    return found


def _process(owner: str | None) -> str | None:
    host, pid = ids.parse_owner_id(owner or "")
    return None if host is None else f"{host}:{pid}"


def _find_reset_nodes(run: ActiveRun, journal: tuple[JournalEntry, ...]) -> dict[int, list[int]]:
    """Map the number of each entry that resets nodes to these nodes, whose earlier times and errors are dropped."""
    found: dict[int, list[int]] = {}
    if run.machine.reset_count:
        machine = Machine(run.compiled_plan)
        for number, entry in enumerate(journal, 1):
            before = machine.reset_count
            machine.apply(entry.event)
            if machine.reset_count > before:
                found[number] = [i for i, state in enumerate(machine.node_states) if state not in SETTLED_OUTCOMES]
    return found
