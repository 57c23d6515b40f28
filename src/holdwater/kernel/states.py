"""The state of one run, and the smallest changes of it: a write, a node that settles, work that is outstanding.

Everything in the kernel that decides something takes a `State`; only `Machine.apply` is called from outside.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from holdwater.kernel.compiled_plan import CompiledPlan
from holdwater.kernel.gates import WAITING
from holdwater.model.commands import AwaitChildren, Cancel, Command, Evaluate, Execute, StartTimer
from holdwater.model.fanout import ChildResult
from holdwater.model.rules import CANCELLED, MISSING
from holdwater.model.time import Micros

EVALUATING: Final = "evaluating"
ISSUED: Final = "issued"
DELAYED: Final = "delayed"
AWAITING_INPUT: Final = "asked"
UNANSWERED_STATES: Final = (WAITING, EVALUATING, ISSUED, DELAYED, AWAITING_INPUT, CANCELLED)
"""states of a question that has not had its answer yet"""

Status = Literal["new", "running", "paused", "completed", "failed", "cancelled"]
VERSION_SHIFT: Final = 40
"""bits of a stamp below its unit: more writes than a run can have"""

ChildStatus = Literal["waiting", "running", "paused", "completed", "failed", "cancelled"]
ACTIVE: Final = ("running", "paused")
FINAL: Final = ("completed", "failed", "cancelled")
AWAITING_CHILDREN: Final = "tended"


@dataclass(slots=True)
class FanOut:
    """The children of one node.  Lists are indexed by item.

    `width`: how many run at once, None: all.  `lives`: how often the node has wanted the child to run, the first time
    and for each try after it failed.
    """

    generation: int
    inputs: tuple[Mapping[str, Any], ...]
    max_concurrency: int | None
    fail_fast: bool
    statuses: list[ChildStatus]
    start_counts: list[int]
    results_by_index: dict[int, ChildResult] = field(default_factory=dict)
    next_index: int = 0
    """the first item that may not have started yet"""
    running: set[int] = field(default_factory=set)
    paused: set[int] = field(default_factory=set)
    failed: bool = False

    @property
    def is_finished(self) -> bool:
        """No child runs, and none will."""
        return not (self.running or self.paused or self.has_startable)

    @property
    def has_startable(self) -> bool:
        """There are items to start, sooner or later."""
        return self.next_index < len(self.statuses) and not self.is_stopping

    @property
    def is_stopping(self) -> bool:
        """One has failed, and that decides: none is started any more, and none waited for that waits for a person."""
        return self.failed and self.fail_fast

    def results(self) -> tuple[ChildResult | None, ...]:
        """What each item has come to; None: it never ran."""
        return tuple([self.results_by_index.get(k) for k in range(len(self.statuses))])

    def copy(self) -> FanOut:
        """Shares the values, and nothing else."""
        return FanOut(
            self.generation, self.inputs, self.max_concurrency, self.fail_fast, list(self.statuses),
            list(self.start_counts), dict(self.results_by_index), self.next_index, set(self.running),
            set(self.paused), self.failed,
        )  # fmt: skip


@dataclass(slots=True)
class Superstep:
    """The superstep a loop is in.  `left`: running nodes; `dirty`: nodes to look at when it is complete."""

    candidates: set[int]
    remaining: int = 0
    iteration: int = 0
    issued_nodes: list[int] = field(default_factory=list)
    results: dict[int, tuple[tuple[Any, ...], tuple[str, ...] | None]] = field(default_factory=dict)

    def copy(self) -> Superstep:
        """Shares the values, and nothing else."""
        return Superstep(
            set(self.candidates), self.remaining, self.iteration, list(self.issued_nodes), dict(self.results)
        )


class State:
    """What events have made of one run of a plan.

    `todo` is all outstanding work; `new_commands` is what no driver has taken yet.
    """

    __slots__ = (
        "closed_gates",
        "compiled_plan",
        "consumed_gates",
        "consumed_versions",
        "crash_counts",
        "deferred_until",
        "early_inputs",
        "errors",
        "failed",
        "failure_counts",
        "fan_outs",
        "fences",
        "given_values",
        "halted",
        "halted_nodes",
        "last_decision",
        "new_commands",
        "node_states",
        "open_targets",
        "overrides",
        "pending_inputs",
        "ready_units",
        "reset_count",
        "rule_results",
        "run_counts",
        "skipped_nodes",
        "start_count",
        "status",
        "supersteps",
        "suspended",
        "todo",
        "unmet_counts",
        "values",
        "versions",
        "waived_nodes",
        "write_count",
    )  # fmt: skip

    def __init__(self, compiled_plan: CompiledPlan) -> None:
        nodes, cells = len(compiled_plan.plan.nodes), len(compiled_plan.cell_index)
        self.compiled_plan = compiled_plan
        self.status: Status = "new"
        self.node_states: list[str] = [WAITING] * nodes
        self.run_counts: list[int] = [0] * nodes
        self.values: list[Any] = [None] * cells
        self.versions: list[int] = [0] * cells
        """when each cell was written last, later being greater; 0: never.

        A unit that stands later in the plan writes later, whoever was first by the clock; the clock orders the writes
        of one loop.  So the latest of two writes that are not ordered otherwise is the same in every run.
        """
        self.given_values: dict[int, tuple[Any, int]] = {}
        """cell of a node -> value and stamp of what was given in its place, left when its writes are taken back"""
        self.overrides: dict[int, Any] = {}
        """node -> how its data was changed before the run began; what it means is for the style"""
        self.start_count = 1
        """how often the run has begun, the first time and after each end"""
        self.reset_count = 0
        """how often something was taken back; what was derived from the state before counts no more"""
        self.write_count = 0
        self.unmet_counts: list[int] = list(compiled_plan.indegree)
        self.todo: dict[int, Command] = {}
        self.new_commands: list[Command] = []
        self.ready_units: deque[int] = deque()
        self.fences: list[int] = [0] * nodes
        """the fence: unique in the run, never reset (a loop fires again, a zombie returns)"""
        self.failure_counts: dict[int, int] = {}
        self.crash_counts: dict[int, int] = {}
        self.errors: dict[int, tuple[str, str]] = {}
        """node (or RUN) -> kind and text of its final error"""
        self.consumed_versions: dict[int, list[int]] = {}
        self.supersteps: dict[int, Superstep] = {}
        self.open_targets: dict[int, set[str]] = {}
        """gate -> targets it has opened and nobody has used"""
        self.consumed_gates: dict[int, set[int]] = {}
        """node in a loop -> gates outside of it whose decision it has used"""
        self.last_decision: dict[int, tuple[str, ...]] = {}
        """node -> its latest decision; RUN -> what was decided from outside"""
        self.closed_gates: set[int] = set()
        self.skipped_nodes: set[int] = set()
        """nodes of a sequence that the decisions in `last` pass over"""
        self.deferred_until: dict[int, Micros] = {}
        """node whose body asked to be called again, and has not come to anything since -> at which instant"""
        self.fan_outs: dict[int, FanOut] = {}
        self.pending_inputs: dict[int, Any] = {}
        """node that waits for an answer -> its question; None: it has no body to put one"""
        self.early_inputs: dict[int, list[tuple[Any, ...]]] = {}
        self.rule_results: tuple[bool, ...] = ()
        self.waived_nodes: Container[int] = ()
        """nodes that a rule need not wait for, while a loop that has nothing else to do is looked at"""
        self.halted: Literal["", "failed", "cancelled"] = ""
        self.failed = False
        self.suspended = False
        self.halted_nodes: list[int] = []

    @property
    def ended(self) -> bool:
        """The run is completed, failed or cancelled."""
        return self.status in ("completed", "failed", "cancelled")

    # -- what nodes write

    def write_input(self, c: int, value: Any) -> None:
        """A value given from outside is the latest write of its cell."""
        self.write_count += 1
        stamp = (self.versions[c] >> VERSION_SHIFT) << VERSION_SHIFT | self.write_count
        self.values[c] = value
        self.versions[c] = stamp
        if c in self.compiled_plan.written_cells:
            self.given_values[c] = (value, stamp)

    def has_inputs(self, i: int) -> bool:
        """Every input the node cannot do without has been written."""
        stamp = self.versions
        for cells in self.compiled_plan.required_reads[i]:
            for c in cells:
                if stamp[c]:
                    break
            else:
                return False
        return True

    def settle_node(self, i: int, outcome: str) -> None:
        self.node_states[i] = outcome
        self.release_successors(self.compiled_plan.unit_of[i])

    def release_successors(self, unit: int) -> None:
        """A unit has settled: those after it wait for one less."""
        need = self.unmet_counts
        for v in self.compiled_plan.successors[unit]:
            need[v] -= 1
            if not need[v]:
                self.ready_units.append(v)

    def write_outputs(self, i: int, values: tuple[Any, ...], decision: tuple[str, ...] | None) -> None:
        """Record what a node produced, and that it fired."""
        k = self.write_count
        rank = (self.compiled_plan.unit_of[i] + 1) << VERSION_SHIFT
        for c, v in zip(
            self.compiled_plan.write_cells[i], values
        ):  # fewer values than cells: the rest stay as they were
            if v is MISSING:  # so does this one
                continue
            k += 1
            self.values[c] = v
            self.versions[c] = rank | k
        self.write_count = k
        self.run_counts[i] += 1
        if decision is not None:
            self.last_decision[i] = decision
            if self.compiled_plan.plan.sequence:
                self.skip_ranges(decision)
            else:
                self.open_targets[i] = set(decision)

    # -- work

    def skip_ranges(self, pairs: tuple[str, ...]) -> None:
        """Nodes of a sequence that will not run."""
        for span in self.compiled_plan.node_ranges(pairs):
            self.skipped_nodes.update(span)

    def issue_execute(self, i: int, reissue_count: int = 0) -> None:
        self.node_states[i] = ISSUED
        self.fences[i] = fence = self.fences[i] + 1
        command = Execute(i, fence, self.failure_counts.get(i, 0) + 1 if self.failure_counts else 1, reissue_count)
        self.todo[i] = command
        self.new_commands.append(command)

    def start_timer(self, i: int, command: StartTimer) -> None:
        self.node_states[i] = DELAYED
        self.todo[i] = command
        self.new_commands.append(command)

    def halt(self, status: Literal["failed", "cancelled"], *, cancel_running: bool = False) -> None:
        """Start nothing more; forget what only a clock or a person could finish; let running work drain.

        What is dropped is remembered (`held`, and units still in the queue), so that resuming is one event; a pause
        ends here for the same reason.  `tell`: running attempts hear of it.
        """
        if self.halted:
            return
        self.halted = status
        self.suspended = False
        self.status = "running"
        told: list[Command] = []
        for i, c in list(self.todo.items()):
            if type(c) is StartTimer or type(c) is AwaitChildren:
                del self.todo[i]
                self.halt_node(i)
            elif type(c) is Evaluate:
                del self.todo[i]
                self.node_states[i] = WAITING
                self.ready_units.appendleft(self.compiled_plan.unit_of[i])
            elif cancel_running:
                told.append(Cancel(i))
        for i in self.pending_inputs:
            self.halt_node(i)
        self.pending_inputs.clear()
        self.new_commands = [c for c in self.new_commands if self.todo.get(c.node) is c] + told

    def halt_node(self, i: int) -> None:
        """The run has halted: what this node was about is for whoever resumes it."""
        self.node_states[i] = CANCELLED
        self.halted_nodes.append(i)
