"""One run's whole truth: a state that only events change, and the work outstanding in it."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Container
from typing import Any, Final, Literal

from holdwater.errors import IllegalEvent
from holdwater.kernel import fanout, reset, supersteps
from holdwater.kernel.compiled_plan import RUN, CompiledPlan
from holdwater.kernel.gates import WAITING, is_unreachable
from holdwater.model import events as ev
from holdwater.model.commands import Cancel, Command, Evaluate, Execute, Tend, Wake
from holdwater.model.events import Event
from holdwater.model.rules import CANCELLED, FAILED, MISSING, SKIPPED, SUCCEEDED

EVALUATING: Final = "evaluating"
ISSUED: Final = "issued"
DELAYED: Final = "delayed"
AWAITING_INPUT: Final = "asked"
NOT_AWAITING_INPUT: Final = (WAITING, EVALUATING, ISSUED, DELAYED, AWAITING_INPUT, CANCELLED)
"""states of a question that has not had its answer yet"""

Status = Literal["new", "running", "paused", "completed", "failed", "cancelled"]
VERSION_SHIFT: Final = 40
"""bits of a stamp below its unit: more writes than a run can have"""


class Machine:
    """One run of a plan.

    `todo` is all outstanding work, a state: a restarted driver just reads it.  `take` gives what no driver has taken
    yet.  `accepts` is the fence: ask it before an event is journalled.  `apply` is the only mutator; it raises
    IllegalEvent before it changes anything, and is total otherwise.
    """

    __slots__ = (
        "clock",
        "closed_gates",
        "compiled_plan",
        "consumed_gates",
        "consumed_versions",
        "crashes",
        "deferred",
        "early_inputs",
        "errors",
        "failed",
        "failures",
        "fan_outs",
        "given_values",
        "halted",
        "halted_nodes",
        "issues",
        "last_decision",
        "new_commands",
        "open_targets",
        "overrides",
        "pending_inputs",
        "queue",
        "reset_count",
        "rule_results",
        "run_counts",
        "skipped_ranges",
        "start_counts",
        "state",
        "status",
        "supersteps",
        "suspended",
        "todo",
        "unmet_counts",
        "value",
        "version",
        "waived",
    )  # fmt: skip

    def __init__(self, layout: CompiledPlan) -> None:
        nodes, cells = len(layout.plan.nodes), len(layout.cell)
        self.compiled_plan = layout
        self.status: Status = "new"
        self.state: list[str] = [WAITING] * nodes
        self.run_counts: list[int] = [0] * nodes
        self.value: list[Any] = [None] * cells
        self.version: list[int] = [0] * cells
        """when each cell was written last, later being greater; 0: never.

        A unit that stands later in the plan writes later, whoever was first by the clock; the clock orders the writes
        of one loop.  So the latest of two writes that are not ordered otherwise is the same in every run.
        """
        self.given_values: dict[int, tuple[Any, int]] = {}
        """cell of a node -> value and stamp of what was given in its place, left when its writes are taken back"""
        self.overrides: dict[int, Any] = {}
        """node -> how its data was changed before the run began; what it means is for the style"""
        self.start_counts = 1
        """how often the run has begun, the first time and after each end"""
        self.reset_count = 0
        """how often something was taken back; what was derived from the state before counts no more"""
        self.clock = 0
        self.unmet_counts: list[int] = list(layout.indegree)
        self.todo: dict[int, Command] = {}
        self.new_commands: list[Command] = []
        self.queue: deque[int] = deque()
        self.issues: list[int] = [0] * nodes
        """the fence: unique in the run, never reset (a loop fires again, a zombie returns)"""
        self.failures: dict[int, int] = {}
        self.crashes: dict[int, int] = {}
        self.errors: dict[int, tuple[str, str]] = {}
        """node (or RUN) -> kind and text of its final error"""
        self.consumed_versions: dict[int, list[int]] = {}
        self.supersteps: dict[int, supersteps.Superstep] = {}
        self.open_targets: dict[int, set[str]] = {}
        """gate -> targets it has opened and nobody has used"""
        self.consumed_gates: dict[int, set[int]] = {}
        """node in a loop -> gates outside of it whose decision it has used"""
        self.last_decision: dict[int, tuple[str, ...]] = {}
        """node -> its latest decision; RUN -> what was decided from outside"""
        self.closed_gates: set[int] = set()
        self.skipped_ranges: set[int] = set()
        """nodes of a sequence that the decisions in `last` pass over"""
        self.deferred: dict[int, int] = {}
        """node whose body asked to be called again, and has not come to anything since -> at which instant"""
        self.fan_outs: dict[int, fanout.FanOut] = {}
        self.pending_inputs: dict[int, Any] = {}
        """node that waits for an answer -> its question; None: it has no body to put one"""
        self.early_inputs: dict[int, list[tuple[Any, ...]]] = {}
        self.rule_results: tuple[bool, ...] = ()
        self.waived: Container[int] = ()
        """nodes that a rule need not wait for, while a loop that has nothing else to do is looked at"""
        self.halted: Literal["", "failed", "cancelled"] = ""
        self.failed = False
        self.suspended = False
        self.halted_nodes: list[int] = []

    # -- what a driver needs

    @property
    def ended(self) -> bool:
        """The run is completed, failed or cancelled."""
        return self.status in ("completed", "failed", "cancelled")

    def take(self) -> list[Command]:
        """The work no driver has taken yet."""
        fresh, self.new_commands = self.new_commands, []
        return fresh

    def accepts(self, e: Event) -> bool:
        """Whether the event fits: a late, doubled or foreign one is refused before it is journalled."""
        if self.status in ("completed", "failed", "cancelled"):
            return type(e) is ev.Resumed and self._may_resume(e, self.status != "completed")
        match e:
            case ev.Succeeded() | ev.Failed() | ev.Abandoned() | ev.Deferred() | ev.Asked() | ev.FannedOut():
                c = self.todo.get(e.node)
                return type(c) is Execute and c.fence == e.fence and self._may_end_so(e)
            case ev.ChildMoved():
                return fanout.accepts(self, e)
            case ev.Cancelled():
                c = self.todo.get(e.node)
                return bool(self.halted) and type(c) is Execute and c.fence == e.fence
            case ev.Edited():
                return self.status == "new" and 0 <= e.node < len(self.state) and e.node not in self.overrides
            case ev.Started():
                return self.status == "new" and self._knows(e.inputs) and (not e.passed or self._may_skip(e.passed))
            case ev.Evaluated():
                return type(self.todo.get(e.node)) is Evaluate and len(e.truths) == len(
                    self.compiled_plan.values[e.node]
                )
            case ev.TimerSet():
                c = self.todo.get(e.node)
                return type(c) is Wake and c.at is None
            case ev.TimerFired():
                return type(self.todo.get(e.node)) is Wake
            case ev.Answered():
                return (
                    self.status != "new" and 0 <= e.node < len(self.state) and self._may_request_input(e.node, e.fence)
                )
            case ev.CancelRequested() | ev.TimedOut():
                return self.status != "new" and not self.halted
            case ev.Paused():
                return self.status != "new" and not self.suspended and not self.halted
            case ev.Resumed():
                return self._may_resume(e, self.suspended)

    def _knows(self, inputs: dict[str, Any]) -> bool:
        return inputs.keys() <= self.compiled_plan.cell.keys()

    def _may_skip(self, pairs: tuple[str, ...]) -> bool:
        index = self.compiled_plan.index
        return (
            self.compiled_plan.plan.sequence
            and len(pairs) % 2 == 0
            and all([name in index for name in pairs[::2]])
            and all([not name or name in index for name in pairs[1::2]])
        )

    def _may_resume(self, e: ev.Resumed, wanting: bool) -> bool:
        """New inputs, or another start, move a run that is at rest; nothing else moves one in want of nothing."""
        sequence, nodes = self.compiled_plan.plan.sequence, len(self.state)
        if not self._knows(e.inputs) or not (e.start is None or (sequence and 0 <= e.start < nodes)):
            return False
        more = bool(e.inputs) or e.start is not None
        return wanting or (more and self.status in ("paused", "completed"))

    def _may_end_so(self, e: Event) -> bool:
        match e:
            case ev.Succeeded(decision=decision):
                return not decision or not self.compiled_plan.plan.sequence or self._may_skip(decision)
            case ev.Asked(node=i):
                return self.compiled_plan.plan.nodes[i].kind == "interrupt"
            case ev.FannedOut(node=i, width=width):
                return self.compiled_plan.plan.nodes[i].kind == "fan" and (width is None or width > 0)
            case _:
                return True

    def _may_request_input(self, i: int, fence: int | None) -> bool:
        """The node asks, or (without a fence) may still come to ask: only a loop asks more than once."""
        layout = self.compiled_plan
        if layout.plan.nodes[i].kind not in ("ask", "interrupt"):
            return False
        if fence is not None:
            return i in self.pending_inputs and self.issues[i] == fence
        return layout.loops[layout.unit[i]] is not None or (
            self.state[i] in NOT_AWAITING_INPUT and not self.early_inputs.get(i)
        )

    def apply(self, e: Event) -> None:
        """Take an event and everything it implies.  Raises IllegalEvent, with nothing changed, if it does not fit."""
        if type(e) is ev.Succeeded:
            command = self.todo.get(e.node)
            if (
                type(command) is not Execute
                or command.fence != e.fence
                or (e.decision is not None and self.compiled_plan.plan.sequence and not self._may_end_so(e))
            ):
                raise IllegalEvent(f"{e!r} does not fit a machine that is {self.status} with {command!r} outstanding")
            del self.todo[e.node]
            self._succeed(e.node, e.values, e.decision)
        else:
            if not self.accepts(e):
                raise IllegalEvent(f"{e!r} does not fit a machine that is {self.status}")
            self._handle(e)
        queue, layout = self.queue, self.compiled_plan
        while queue and not self.halted:
            u = queue.popleft()
            loop = layout.loops[u]
            if loop is None:
                self._evaluate_readiness(layout.unit_members[u][0])
            else:
                supersteps.start_superstep(self, loop)
        if not self.todo or (self.fan_outs and len(self.todo) <= len(self.fan_outs) and fanout.all_paused(self)):
            self._pause()

    def _handle(self, e: Event) -> None:
        match e:
            case ev.Edited():
                self.overrides[e.node] = e.values
            case ev.Started():
                self._start(e)
            case ev.Failed():
                del self.todo[e.node]
                self._fail(e)
            case ev.Evaluated():
                del self.todo[e.node]
                self.rule_results = e.truths
                self._decide(e.node)
                self.rule_results = ()
            case ev.Abandoned():
                command = self.todo.pop(e.node)
                if e.counted:
                    self.crashes[e.node] = self.crashes.get(e.node, 0) + 1
                if self.halted:
                    self._halt_node(e.node)
                else:
                    self.execute(e.node, command.again + 1 if type(command) is Execute else 0)
            case ev.Cancelled():
                del self.todo[e.node]
                self._halt_node(e.node)
            case ev.Deferred():
                del self.todo[e.node]
                if self.halted:
                    self._halt_node(e.node)
                else:
                    self._wake(e.node, Wake(e.node, at=e.until))
                self.deferred[e.node] = e.until
            case ev.Asked():
                del self.todo[e.node]
                self.deferred.pop(e.node, None)
                if self.halted:
                    self._halt_node(e.node)
                else:
                    self._request_input(e.node, e.question)
            case ev.FannedOut():
                del self.todo[e.node]
                self.deferred.pop(e.node, None)
                fanout.start(self, e)
                if self.halted:
                    self._halt_node(e.node)
                else:
                    fanout.request_children(self, e.node)
            case ev.ChildMoved():
                fanout.on_child_status(self, e)
                if not self.suspended:
                    self.status = "running"
            case ev.TimerSet():
                self.todo[e.node] = Wake(e.node, at=e.at)
            case ev.TimerFired():
                del self.todo[e.node]
                if self.compiled_plan.plan.nodes[e.node].kind == "wait":
                    self._succeed(e.node, (self.compiled_plan.plan.nodes[e.node].wait_s,), None)
                elif e.node in self.deferred:
                    self.execute(e.node)
                else:
                    self._retry(e.node)
            case ev.Answered():
                if e.node in self.pending_inputs:
                    del self.pending_inputs[e.node]
                    if not self.suspended:
                        self.status = "running"
                    self._succeed(e.node, e.values, None)
                else:
                    self.early_inputs.setdefault(e.node, []).append(e.values)
            case ev.CancelRequested():
                self.halt("cancelled", tell=True)
            case ev.TimedOut():
                self.errors[RUN] = ("TIMEOUT", e.error)
                self.failed = True
                self.halt("failed", tell=True)
            case ev.Paused():
                self.suspended = True
                self.status = "paused"
            case ev.Resumed():
                reset.resume(self, e)
            case ev.Succeeded():  # pragma: no cover - taken in `apply`
                raise AssertionError

    # -- settled work releases what comes after it

    def _start(self, e: ev.Started) -> None:
        self.status = "running"
        for name, value in e.inputs.items():
            self.write_input(self.compiled_plan.cell[name], value)
        if e.passed:
            self.last_decision[RUN] = e.passed
            self.skip(e.passed)
        self.queue.extend(self.compiled_plan.roots)

    def write_input(self, c: int, value: Any) -> None:
        """A value given from outside is the latest write of its cell."""
        self.clock += 1
        stamp = (self.version[c] >> VERSION_SHIFT) << VERSION_SHIFT | self.clock
        self.value[c] = value
        self.version[c] = stamp
        if c in self.compiled_plan.written_cells:
            self.given_values[c] = (value, stamp)

    def _evaluate_readiness(self, i: int) -> None:
        """A single node whose predecessors have all settled: it runs now, or never."""
        if self.skipped_ranges and i in self.skipped_ranges:
            self.settle(i, SKIPPED)
        elif self.compiled_plan.values[i]:
            self.state[i] = EVALUATING
            command = Evaluate(i)
            self.todo[i] = command
            self.new_commands.append(command)
        else:
            self._decide(i)

    def _decide(self, i: int) -> None:
        layout = self.compiled_plan
        test = layout.tests[i]
        if (test is None or test(self, i)) and self.has_inputs(i):
            self.issue(i)
            return
        if layout.controllers[i] and layout.targets[i] and is_unreachable(self, i):
            self.closed_gates.add(i)
        self.settle(i, layout.plan.nodes[i].otherwise)

    def has_inputs(self, i: int) -> bool:
        """Every input the node cannot do without has been written."""
        stamp = self.version
        for cells in self.compiled_plan.needed[i]:
            for c in cells:
                if stamp[c]:
                    break
            else:
                return False
        return True

    def settle(self, i: int, outcome: str) -> None:
        self.state[i] = outcome
        self.release(self.compiled_plan.unit[i])

    def release(self, unit: int) -> None:
        """A unit has settled: those after it wait for one less."""
        need = self.unmet_counts
        for v in self.compiled_plan.next[unit]:
            need[v] -= 1
            if not need[v]:
                self.queue.append(v)

    def write(self, i: int, values: tuple[Any, ...], decision: tuple[str, ...] | None) -> None:
        """Record what a node produced, and that it fired."""
        k = self.clock
        rank = (self.compiled_plan.unit[i] + 1) << VERSION_SHIFT
        for c, v in zip(self.compiled_plan.out[i], values):  # fewer values than cells: the rest stay as they were
            if v is MISSING:  # so does this one
                continue
            k += 1
            self.value[c] = v
            self.version[c] = rank | k
        self.clock = k
        self.run_counts[i] += 1
        if decision is not None:
            self.last_decision[i] = decision
            if self.compiled_plan.plan.sequence:
                self.skip(decision)
            else:
                self.open_targets[i] = set(decision)

    def _succeed(self, i: int, values: tuple[Any, ...], decision: tuple[str, ...] | None) -> None:
        if self.failures:
            self.failures.pop(i, None)
        if self.deferred:
            self.deferred.pop(i, None)
        if self.fan_outs:
            self.fan_outs.pop(i, None)
        layout = self.compiled_plan
        loop = layout.loops[layout.unit[i]]
        if loop is None:
            self.write(i, values, decision)
            self.settle(i, SUCCEEDED)
        else:
            supersteps.finish(self, loop, i, values, decision)

    # -- work

    def issue(self, i: int) -> None:
        """Start a node: its body, its timer, its question or its children."""
        node = self.compiled_plan.plan.nodes[i]
        if self.deferred and i in self.deferred:
            self._wake(i, Wake(i, at=self.deferred[i]))
        elif node.kind == "call":
            self.execute(i)
        elif node.kind == "wait":
            self._wake(i, Wake(i, after_s=node.wait_s))
        elif node.kind == "fan":
            self._retry(i)
        elif node.kind == "interrupt" and not self.early_inputs.get(i):
            self.execute(i)
        else:
            self._request_input(i, None)

    def _request_input(self, i: int, question: Any) -> None:
        if self.early_inputs.get(i):
            self._succeed(i, self.early_inputs[i].pop(0), None)
        else:
            self.state[i] = AWAITING_INPUT
            self.pending_inputs[i] = question

    def _retry(self, i: int) -> None:
        """Perform a node that may have children: those that have not completed come first."""
        if not fanout.retry_incomplete(self, i):
            self.execute(i)

    def skip(self, pairs: tuple[str, ...]) -> None:
        """Nodes of a sequence that will not run."""
        for span in self.compiled_plan.node_ranges(pairs):
            self.skipped_ranges.update(span)

    def execute(self, i: int, again: int = 0) -> None:
        self.state[i] = ISSUED
        self.issues[i] = fence = self.issues[i] + 1
        command = Execute(i, fence, self.failures.get(i, 0) + 1 if self.failures else 1, again)
        self.todo[i] = command
        self.new_commands.append(command)

    def _wake(self, i: int, command: Wake) -> None:
        self.state[i] = DELAYED
        self.todo[i] = command
        self.new_commands.append(command)

    def _fail(self, e: ev.Failed) -> None:
        i = e.node
        self.failures[i] = self.failures.get(i, 0) + 1
        self.deferred.pop(i, None)
        if e.retry_at is not None and not self.halted:
            if e.retry_at:
                self._wake(i, Wake(i, at=e.retry_at))
            else:
                self._retry(i)
            return
        self.errors[i] = (e.kind, e.error)
        on_error = self.compiled_plan.plan.nodes[i].on_error
        if on_error != "ignore":
            self.failed = True
        if on_error == "stop" or self.halted or self.compiled_plan.loops[self.compiled_plan.unit[i]] is not None:
            self.state[i] = FAILED
            self.halted_nodes.append(i)
            self.halt("failed")
        else:
            self.settle(i, FAILED)

    # -- the end of a run, and its way back

    def halt(self, why: Literal["failed", "cancelled"], *, tell: bool = False) -> None:
        """Start nothing more; forget what only a clock or a person could finish; let running work drain.

        What is dropped is remembered (`held`, and units still in the queue), so that resuming is one event; a pause
        ends here for the same reason.  `tell`: running attempts hear of it.
        """
        if self.halted:
            return
        self.halted = why
        self.suspended = False
        self.status = "running"
        told: list[Command] = []
        for i, c in list(self.todo.items()):
            if type(c) is Wake or type(c) is Tend:
                del self.todo[i]
                self._halt_node(i)
            elif type(c) is Evaluate:
                del self.todo[i]
                self.state[i] = WAITING
                self.queue.appendleft(self.compiled_plan.unit[i])
            elif tell:
                told.append(Cancel(i))
        for i in self.pending_inputs:
            self._halt_node(i)
        self.pending_inputs.clear()
        self.new_commands = [c for c in self.new_commands if self.todo.get(c.node) is c] + told

    def _halt_node(self, i: int) -> None:
        """The run has halted: what this node was about is for whoever resumes it."""
        self.state[i] = CANCELLED
        self.halted_nodes.append(i)

    def _pause(self) -> None:
        """Nothing is outstanding: the run is over, or waits for a person."""
        if self.status == "new":
            return
        if self.halted:
            self.status = self.halted
        elif self.pending_inputs or self.todo:
            self.status = "paused"
        else:
            self.status = "failed" if self.failed else "completed"

    # -- snapshots

    def snapshot(self) -> dict[str, Any]:
        """The state without its layout, equal to the journal prefix that led to it.

        Shares nothing that `apply` changes.  Values are shared: they are opaque, and never changed in place.
        """
        keep = [s for s in self.__slots__ if s not in ("compiled_plan", "new_commands", "rule_results", "waived")]
        return {s: _copy_state(s, getattr(self, s)) for s in keep}

    @classmethod
    def restore(cls, layout: CompiledPlan, snapshot: dict[str, Any]) -> Machine:
        """The machine `snapshot` was taken from; everything outstanding is in `todo`, nothing in `take()`."""
        m = cls(layout)
        for name, state in snapshot.items():
            setattr(m, name, _copy_state(name, state))
        return m


def _copy_state(slot: str, state: Any) -> Any:
    """A copy of one slot, down to where the values of users begin."""
    match slot:
        case "value":
            return list(state)
        case "overrides" | "given_values" | "pending_inputs":
            return dict(state)
        case "early_inputs":
            return {i: list(answers) for i, answers in state.items()}
        case "supersteps" | "fan_outs":
            return {u: r.copy() for u, r in state.items()}
        case _:
            return copy.deepcopy(state)
