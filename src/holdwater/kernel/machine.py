"""One run's whole truth: a state that only events change, and the work outstanding in it."""

from __future__ import annotations

import copy
from typing import Any

from holdwater.errors import IllegalEvent
from holdwater.kernel import fanout, reset, supersteps
from holdwater.kernel.compiled_plan import RUN_INDEX, CompiledPlan
from holdwater.kernel.gates import is_unreachable
from holdwater.kernel.issuing import complete_node, issue_node, request_input, retry_node
from holdwater.kernel.machine_state import MachineState
from holdwater.kernel.states import EVALUATING, UNANSWERED_STATES
from holdwater.model import events as ev
from holdwater.model.commands import Command, Evaluate, Execute, StartTimer
from holdwater.model.events import Event
from holdwater.model.rules import FAILED, SKIPPED


class Machine(MachineState):
    """One run of a plan.

    `todo` is all outstanding work: a restarted driver reads it.  `take_commands` returns what no driver has taken yet.
    `accepts` is asked before an event is journalled.  `apply` is the only mutator: it raises IllegalEvent before it
    changes anything, or takes the event and all it implies.
    """

    __slots__ = ()

    # -- what a driver needs

    def take_commands(self) -> list[Command]:
        """Return the commands no driver has taken yet, once."""
        fresh, self.new_commands = self.new_commands, []
        return fresh

    def accepts(self, e: Event) -> bool:
        """Return True if the event fits; a late, repeated or foreign one is refused before it is journalled."""
        if self.status in ("completed", "failed", "cancelled"):
            return type(e) is ev.Resumed and self._can_resume(e, self.status != "completed")
        match e:
            case (
                ev.Succeeded()
                | ev.Failed()
                | ev.AttemptLost()
                | ev.Deferred()
                | ev.InputRequested()
                | ev.ChildRunsRequested()
            ):
                c = self.todo.get(e.node)
                return type(c) is Execute and c.fence == e.fence and self._is_valid_end(e)
            case ev.ChildStatusChanged():
                return fanout.accepts_child_status(self, e)
            case ev.Cancelled():
                c = self.todo.get(e.node)
                return bool(self.halted) and type(c) is Execute and c.fence == e.fence
            case ev.InputsOverridden():
                return self.status == "new" and 0 <= e.node < len(self.node_states) and e.node not in self.overrides
            case ev.Started():
                return (
                    self.status == "new"
                    and self._knows_inputs(e.inputs)
                    and (not e.skipped_ranges or self._are_valid_ranges(e.skipped_ranges))
                )
            case ev.RuleEvaluated():
                return type(self.todo.get(e.node)) is Evaluate and len(e.rule_results) == len(
                    self.compiled_plan.value_predicates[e.node]
                )
            case ev.TimerSet():
                c = self.todo.get(e.node)
                return type(c) is StartTimer and c.at is None
            case ev.TimerFired():
                return type(self.todo.get(e.node)) is StartTimer
            case ev.InputProvided():
                return (
                    self.status != "new"
                    and 0 <= e.node < len(self.node_states)
                    and self._can_take_input(e.node, e.fence)
                )
            case ev.CancelRequested() | ev.TimedOut():
                return self.status != "new" and not self.halted
            case ev.Paused():
                return self.status != "new" and not self.suspended and not self.halted
            case ev.Resumed():
                return self._can_resume(e, self.suspended)

    def _knows_inputs(self, inputs: dict[str, Any]) -> bool:
        return inputs.keys() <= self.compiled_plan.cell_index.keys()

    def _are_valid_ranges(self, pairs: tuple[str, ...]) -> bool:
        index = self.compiled_plan.node_index
        return (
            self.compiled_plan.plan.sequence
            and len(pairs) % 2 == 0
            and all([name in index for name in pairs[::2]])
            and all([not name or name in index for name in pairs[1::2]])
        )

    def _can_resume(self, e: ev.Resumed, is_stopped: bool) -> bool:
        """Return True if the run may go on: one that is stopped, or one that waits or is completed with new inputs."""
        sequence, nodes = self.compiled_plan.plan.sequence, len(self.node_states)
        if not self._knows_inputs(e.inputs) or not (e.start_node is None or (sequence and 0 <= e.start_node < nodes)):
            return False
        more = bool(e.inputs) or e.start_node is not None
        return is_stopped or (more and self.status in ("paused", "completed"))

    def _is_valid_end(self, e: Event) -> bool:
        match e:
            case ev.Succeeded(decision=decision):
                return not decision or not self.compiled_plan.plan.sequence or self._are_valid_ranges(decision)
            case ev.InputRequested(node=i):
                return self.compiled_plan.plan.nodes[i].kind == "interrupt"
            case ev.ChildRunsRequested(node=i, max_concurrency=width):
                return self.compiled_plan.plan.nodes[i].kind == "fan_out" and (width is None or width > 0)
            case _:
                return True

    def _can_take_input(self, i: int, fence: int | None) -> bool:
        """Return True if the node awaits input, or (without a fence) may still request it; again only in a loop."""
        compiled_plan = self.compiled_plan
        if compiled_plan.plan.nodes[i].kind not in ("ask", "interrupt"):
            return False
        if fence is not None:
            return i in self.pending_inputs and self.fences[i] == fence
        return compiled_plan.loop_of[compiled_plan.unit_of[i]] is not None or (
            self.node_states[i] in UNANSWERED_STATES and not self.early_inputs.get(i)
        )

    def apply(self, e: Event) -> None:
        """Take an event and everything it implies.  Raises IllegalEvent, with nothing changed, if it does not fit."""
        if type(e) is ev.Succeeded:
            command = self.todo.get(e.node)
            if (
                type(command) is not Execute
                or command.fence != e.fence
                or (e.decision is not None and self.compiled_plan.plan.sequence and not self._is_valid_end(e))
            ):
                raise IllegalEvent(f"{e!r} does not fit a machine that is {self.status} with {command!r} outstanding")
            del self.todo[e.node]
            complete_node(self, e.node, e.values, e.decision)
        else:
            if not self.accepts(e):
                raise IllegalEvent(f"{e!r} does not fit a machine that is {self.status}")
            self._apply_event(e)
        queue, compiled_plan = self.ready_units, self.compiled_plan
        while queue and not self.halted:
            u = queue.popleft()
            loop = compiled_plan.loop_of[u]
            if loop is None:
                self._evaluate_readiness(compiled_plan.unit_members[u][0])
            else:
                supersteps.start_superstep(self, loop)
        if not self.todo or (self.fan_outs and len(self.todo) <= len(self.fan_outs) and fanout.all_paused(self)):
            self._update_status_when_idle()

    def _apply_event(self, e: Event) -> None:
        match e:
            case ev.InputsOverridden():
                self.overrides[e.node] = e.values
            case ev.Started():
                self._start_run(e)
            case ev.Failed():
                del self.todo[e.node]
                self._record_failure(e)
            case ev.RuleEvaluated():
                del self.todo[e.node]
                self.rule_results = e.rule_results
                self._issue_or_settle(e.node)
                self.rule_results = ()
            case ev.AttemptLost():
                command = self.todo.pop(e.node)
                if e.counts_as_crash:
                    self.crash_counts[e.node] = self.crash_counts.get(e.node, 0) + 1
                if self.halted:
                    self.halt_node(e.node)
                else:
                    self.issue_execute(e.node, command.reissue_count + 1 if type(command) is Execute else 0)
            case ev.Cancelled():
                del self.todo[e.node]
                self.halt_node(e.node)
            case ev.Deferred():
                del self.todo[e.node]
                if self.halted:
                    self.halt_node(e.node)
                else:
                    self.start_timer(e.node, StartTimer(e.node, at=e.until))
                self.deferred_until[e.node] = e.until
            case ev.InputRequested():
                del self.todo[e.node]
                self.deferred_until.pop(e.node, None)
                if self.halted:
                    self.halt_node(e.node)
                else:
                    request_input(self, e.node, e.question)
            case ev.ChildRunsRequested():
                del self.todo[e.node]
                self.deferred_until.pop(e.node, None)
                fanout.start_children(self, e)
                if self.halted:
                    self.halt_node(e.node)
                else:
                    fanout.advance(self, e.node)
            case ev.ChildStatusChanged():
                fanout.on_child_status(self, e)
                if not self.suspended:
                    self.status = "running"
            case ev.TimerSet():
                self.todo[e.node] = StartTimer(e.node, at=e.at)
            case ev.TimerFired():
                del self.todo[e.node]
                if self.compiled_plan.plan.nodes[e.node].kind == "wait":
                    complete_node(self, e.node, (self.compiled_plan.plan.nodes[e.node].wait_seconds,), None)
                elif e.node in self.deferred_until:
                    self.issue_execute(e.node)
                else:
                    retry_node(self, e.node)
            case ev.InputProvided():
                if e.node in self.pending_inputs:
                    del self.pending_inputs[e.node]
                    if not self.suspended:
                        self.status = "running"
                    complete_node(self, e.node, e.values, None)
                else:
                    self.early_inputs.setdefault(e.node, []).append(e.values)
            case ev.CancelRequested():
                self.halt("cancelled", cancel_running=True)
            case ev.TimedOut():
                self.errors[RUN_INDEX] = ("TIMEOUT", e.error)
                self.failed = True
                self.halt("failed", cancel_running=True)
            case ev.Paused():
                self.suspended = True
                self.status = "paused"
            case ev.Resumed():
                reset.resume_run(self, e)
            case ev.Succeeded():  # pragma: no cover - taken in `apply`
                raise AssertionError

    # -- settled work releases what comes after it

    def _start_run(self, e: ev.Started) -> None:
        self.status = "running"
        for name, value in e.inputs.items():
            self.write_input(self.compiled_plan.cell_index[name], value)
        if e.skipped_ranges:
            self.last_decision[RUN_INDEX] = e.skipped_ranges
            self.skip_ranges(e.skipped_ranges)
        self.ready_units.extend(self.compiled_plan.root_units)

    def _evaluate_readiness(self, i: int) -> None:
        """Evaluate a node outside of loops whose predecessors have all settled: issue it or settle it."""
        if self.skipped_nodes and i in self.skipped_nodes:
            self.settle_node(i, SKIPPED)
        elif self.compiled_plan.value_predicates[i]:
            self.node_states[i] = EVALUATING
            command = Evaluate(i)
            self.todo[i] = command
            self.new_commands.append(command)
        else:
            self._issue_or_settle(i)

    def _issue_or_settle(self, i: int) -> None:
        compiled_plan = self.compiled_plan
        test = compiled_plan.rule_tests[i]
        if (test is None or test(self, i)) and self.has_inputs(i):
            issue_node(self, i)
            return
        if compiled_plan.controlling_gates[i] and compiled_plan.gate_targets[i] and is_unreachable(self, i):
            self.closed_gates.add(i)
        self.settle_node(i, compiled_plan.plan.nodes[i].outcome_if_not_run)

    def _record_failure(self, e: ev.Failed) -> None:
        i = e.node
        self.failure_counts[i] = self.failure_counts.get(i, 0) + 1
        self.deferred_until.pop(i, None)
        if e.retry_at is not None and not self.halted:
            if e.retry_at:
                self.start_timer(i, StartTimer(i, at=e.retry_at))
            else:
                retry_node(self, i)
            return
        self.errors[i] = (e.kind, e.error)
        on_error = self.compiled_plan.plan.nodes[i].on_error
        if on_error != "ignore":
            self.failed = True
        if on_error == "stop" or self.halted or self.compiled_plan.loop_of[self.compiled_plan.unit_of[i]] is not None:
            self.node_states[i] = FAILED
            self.halted_nodes.append(i)
            self.halt("failed")
        else:
            self.settle_node(i, FAILED)

    # -- the end of a run, and its way back

    def _update_status_when_idle(self) -> None:
        """Set the status of a run in which nothing is outstanding, or only paused children."""
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
        """The state without its compiled_plan, equal to the journal prefix that led to it.

        Shares nothing that `apply` changes.  Values are shared: they are opaque, and never changed in place.
        """
        keep = [
            s
            for s in MachineState.__slots__
            if s not in ("compiled_plan", "new_commands", "rule_results", "waived_nodes")
        ]
        return {s: _copy_state(s, getattr(self, s)) for s in keep}

    @classmethod
    def restore(cls, compiled_plan: CompiledPlan, snapshot: dict[str, Any]) -> Machine:
        """The machine `snapshot` was taken from; everything outstanding is in `todo`, nothing in `take()`."""
        m = cls(compiled_plan)
        for name, state in snapshot.items():
            setattr(m, name, _copy_state(name, state))
        return m


def _copy_state(slot: str, state: Any) -> Any:
    """A copy of one slot, down to where the values of users begin."""
    match slot:
        case "values":
            return list(state)
        case "overrides" | "given_values" | "pending_inputs":
            return dict(state)
        case "early_inputs":
            return {i: list(answers) for i, answers in state.items()}
        case "supersteps" | "fan_outs":
            return {u: r.copy() for u, r in state.items()}
        case _:
            return copy.deepcopy(state)
