"""The state of one run in slots, and its smallest changes: a write, a settled node, outstanding work.

Functions of the kernel take a `MachineState`; only `Machine.apply` is called from outside.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from holdwater.kernel.compiled_plan import CompiledPlan
from holdwater.kernel.states import DELAYED, ISSUED, WAITING, Status
from holdwater.model.commands import AwaitChildren, Cancel, Command, Evaluate, Execute, StartTimer
from holdwater.model.fanout import ChildResult
from holdwater.model.rules import CANCELLED, MISSING
from holdwater.model.time import Micros

VERSION_SHIFT: Final = 40
"""bits of a version below the number of its unit: more writes than a run can have"""

ChildStatus = Literal["waiting", "running", "paused", "completed", "failed", "cancelled"]
ACTIVE_CHILD_STATUSES: Final = ("running", "paused")
FINAL_CHILD_STATUSES: Final = ("completed", "failed", "cancelled")


@dataclass(slots=True)
class FanOut:
    """The child runs of one node.  Lists are indexed by item.

    `generation`: the fence of the request; a report of other children is refused.
    `max_concurrency`: children that run at once; None: all.  `fail_fast`: after a failure no more are started.
    `start_counts`: starts of each child: 1, and 1 for each retry of the node in which it had not completed.
    `results_by_index`: results of children that have ended.
    `next_index`: the first item that may not have started yet.
    `running`, `paused`: items of active children.  `failed`: a child has failed or was cancelled.
    """

    generation: int
    inputs: tuple[Mapping[str, Any], ...]
    max_concurrency: int | None
    fail_fast: bool
    statuses: list[ChildStatus]
    start_counts: list[int]
    results_by_index: dict[int, ChildResult] = field(default_factory=dict)
    next_index: int = 0
    running: set[int] = field(default_factory=set)
    paused: set[int] = field(default_factory=set)
    failed: bool = False

    @property
    def is_finished(self) -> bool:
        """True if no child is active, and none is to be started."""
        return not (self.running or self.paused or self.has_startable)

    @property
    def has_startable(self) -> bool:
        """True if there are items to start, now or when another child has ended."""
        return self.next_index < len(self.statuses) and not self.is_stopping

    @property
    def is_stopping(self) -> bool:
        """True after a failure under `fail_fast`: no child is started any more, and paused ones are not waited for."""
        return self.failed and self.fail_fast

    def results(self) -> tuple[ChildResult | None, ...]:
        """The results of all items, in order; None for one that never ran."""
        return tuple([self.results_by_index.get(k) for k in range(len(self.statuses))])

    def copy(self) -> FanOut:
        """A copy that shares the values, and nothing else."""
        return FanOut(
            self.generation, self.inputs, self.max_concurrency, self.fail_fast, list(self.statuses),
            list(self.start_counts), dict(self.results_by_index), self.next_index, set(self.running),
            set(self.paused), self.failed,
        )  # fmt: skip


@dataclass(slots=True)
class Superstep:
    """The superstep a loop is in.

    `candidates`: nodes to evaluate when it is complete.  `remaining`: nodes that have not completed.
    `iteration`: supersteps so far, against `max_iterations`.  `issued_nodes`: its nodes, in plan order.
    `results`: values and decision of each node that has completed, unpublished.
    """

    candidates: set[int]
    remaining: int = 0
    iteration: int = 0
    issued_nodes: list[int] = field(default_factory=list)
    results: dict[int, tuple[tuple[Any, ...], tuple[str, ...] | None]] = field(default_factory=dict)

    def copy(self) -> Superstep:
        """A copy that shares the values, and nothing else."""
        return Superstep(
            set(self.candidates), self.remaining, self.iteration, list(self.issued_nodes), dict(self.results)
        )


class MachineState:
    """The state of one run of a plan.  Lists are indexed by node, `values` and `versions` by cell."""

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
        self.halted: Literal["", "failed", "cancelled"] = ""
        """the status the run ends with once its running work has drained; "" while it does not halt"""
        self.failed = False
        """a failure counts: a run that does not halt ends as failed"""
        self.suspended = False
        """paused by request, also while work runs"""
        self.start_count = 1
        """starts of the run: 1, and 1 for each resumption after an end"""
        self.reset_count = 0
        """resets so far; caches of what was derived from the state are dropped when it changes"""

        self.node_states: list[str] = [WAITING] * nodes
        self.run_counts: list[int] = [0] * nodes
        """successes of each node: more than one in a loop"""
        self.fences: list[int] = [0] * nodes
        """the fencing token of the latest attempt: the issues of the node in this run, never reset"""
        self.failure_counts: dict[int, int] = {}
        """failed attempts since the node was issued first, or last succeeded"""
        self.crash_counts: dict[int, int] = {}
        """attempts lost with their processes, against `max_crashes_per_task`"""
        self.errors: dict[int, tuple[str, str]] = {}
        """node (or RUN_INDEX) -> kind and text of its final error"""

        self.values: list[Any] = [None] * cells
        self.versions: list[int] = [0] * cells
        """a number per write of a cell, later writes greater; 0: never written.

        Composed of the unit that wrote (high bits) and a counter: of two unordered writes the one of the later unit is
        the latest, whichever arrived first, and the counter orders the writes within one loop.
        """
        self.write_count = 0
        """writes so far: the low bits of the next version"""
        self.consumed_versions: dict[int, list[int]] = {}
        """node in a loop -> versions of its reads when it last ran"""
        self.given_values: dict[int, tuple[Any, int]] = {}
        """cell of a node -> value and version of the input given in its place, restored when the node is reset"""
        self.overrides: dict[int, Any] = {}
        """node -> change of its inputs, made before the run began; opaque, its style applies it"""

        self.todo: dict[int, Command] = {}
        """node -> its outstanding command"""
        self.new_commands: list[Command] = []
        """commands no driver has taken yet"""
        self.ready_units: deque[int] = deque()
        """units to evaluate; those left when a run halts are evaluated when it is resumed"""
        self.unmet_counts: list[int] = list(compiled_plan.indegree)
        """unit -> units before it that have not settled"""
        self.halted_nodes: list[int] = []
        """nodes whose work was dropped, or failed for good, in a run that halts; issued again when it is resumed"""
        self.deferred_until: dict[int, Micros] = {}
        """node whose function asked to be called later, and has not ended since -> the instant"""

        self.supersteps: dict[int, Superstep] = {}
        """unit of a loop -> its current superstep"""
        self.open_targets: dict[int, set[str]] = {}
        """gate -> targets it opened that have not run since"""
        self.consumed_gates: dict[int, set[int]] = {}
        """node in a loop -> gates outside of it whose decision it has used"""
        self.last_decision: dict[int, tuple[str, ...]] = {}
        """node -> its latest decision; RUN_INDEX -> ranges skipped by the request that started the run"""
        self.closed_gates: set[int] = set()
        """gates that will not decide: unreachable when they were evaluated"""
        self.skipped_nodes: set[int] = set()
        """nodes of a sequence in a range that a decision skips"""
        self.rule_results: tuple[bool, ...] = ()
        """predicates of the rule that is being decided"""
        self.waived_nodes: Container[int] = ()
        """nodes that rules count as run, while a loop without ready nodes is searched for what can go on"""

        self.fan_outs: dict[int, FanOut] = {}
        """node -> its child runs, until it has succeeded"""
        self.pending_inputs: dict[int, Any] = {}
        """node that awaits input -> its question, opaque; None for a node of kind `ask`"""
        self.early_inputs: dict[int, list[tuple[Any, ...]]] = {}
        """node -> answers that came before its question, oldest first"""

    @property
    def ended(self) -> bool:
        """True if the run is completed, failed or cancelled."""
        return self.status in ("completed", "failed", "cancelled")

    # -- cells

    def write_input(self, c: int, value: Any) -> None:
        """Write a value given from outside: the latest write of its cell."""
        self.write_count += 1
        version = (self.versions[c] >> VERSION_SHIFT) << VERSION_SHIFT | self.write_count
        self.values[c] = value
        self.versions[c] = version
        if c in self.compiled_plan.written_cells:
            self.given_values[c] = (value, version)

    def has_inputs(self, i: int) -> bool:
        """True if every required input of the node has been written."""
        versions = self.versions
        for cells in self.compiled_plan.required_reads[i]:
            for c in cells:
                if versions[c]:
                    break
            else:
                return False
        return True

    def write_outputs(self, i: int, values: tuple[Any, ...], decision: tuple[str, ...] | None) -> None:
        """Write the outputs and the decision of a node that has run; cells without a value stay as they were."""
        k = self.write_count
        rank = (self.compiled_plan.unit_of[i] + 1) << VERSION_SHIFT
        for c, v in zip(self.compiled_plan.write_cells[i], values):  # there may be fewer values than cells
            if v is MISSING:
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

    # -- settled nodes

    def settle_node(self, i: int, outcome: str) -> None:
        """Settle a node outside of loops, and with it its unit."""
        self.node_states[i] = outcome
        self.release_successors(self.compiled_plan.unit_of[i])

    def release_successors(self, unit: int) -> None:
        """Count a settled unit; units that waited for no other are ready."""
        unmet = self.unmet_counts
        for v in self.compiled_plan.successors[unit]:
            unmet[v] -= 1
            if not unmet[v]:
                self.ready_units.append(v)

    def skip_ranges(self, pairs: tuple[str, ...]) -> None:
        """Mark the nodes of ranges of a sequence: they are skipped when they are evaluated."""
        for span in self.compiled_plan.node_ranges(pairs):
            self.skipped_nodes.update(span)

    # -- outstanding work

    def issue_execute(self, i: int, reissue_count: int = 0) -> None:
        """Issue an attempt under a new fencing token.  `reissue_count`: attempts lost in succession before it."""
        self.node_states[i] = ISSUED
        self.fences[i] = fence = self.fences[i] + 1
        command = Execute(i, fence, self.failure_counts.get(i, 0) + 1 if self.failure_counts else 1, reissue_count)
        self.todo[i] = command
        self.new_commands.append(command)

    def start_timer(self, i: int, command: StartTimer) -> None:
        """Delay a node until its timer fires."""
        self.node_states[i] = DELAYED
        self.todo[i] = command
        self.new_commands.append(command)

    def halt(self, status: Literal["failed", "cancelled"], *, cancel_running: bool = False) -> None:
        """Start nothing more, drop timers, questions and children, and let running attempts end.

        Dropped nodes are kept in `halted_nodes`, and unevaluated units in `ready_units`, so that resuming is one event.
        A pause ends here for the same reason.  `cancel_running`: issue Cancel for each running attempt.
        """
        if self.halted:
            return
        self.halted = status
        self.suspended = False
        self.status = "running"
        cancellations: list[Command] = []
        for i, c in list(self.todo.items()):
            if type(c) is StartTimer or type(c) is AwaitChildren:
                del self.todo[i]
                self.halt_node(i)
            elif type(c) is Evaluate:
                del self.todo[i]
                self.node_states[i] = WAITING
                self.ready_units.appendleft(self.compiled_plan.unit_of[i])
            elif cancel_running:
                cancellations.append(Cancel(i))
        for i in self.pending_inputs:
            self.halt_node(i)
        self.pending_inputs.clear()
        self.new_commands = [c for c in self.new_commands if self.todo.get(c.node) is c] + cancellations

    def halt_node(self, i: int) -> None:
        """Drop the work of a node in a run that halts; it is issued again when the run is resumed."""
        self.node_states[i] = CANCELLED
        self.halted_nodes.append(i)
