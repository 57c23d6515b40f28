"""Two drivers: a plain one, and one that shuffles, crashes and restarts.  Neither has a clock or a thread."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from holdwater.kernel import Machine
from holdwater.model import events as ev
from holdwater.model.commands import AwaitChildren, Cancel, Command, Evaluate, Execute, StartTimer
from holdwater.model.events import Event
from holdwater.model.fanout import ChildRunsRequest
from holdwater.model.rules import evaluate_predicate
from holdwater.model.time import UNSET, Micros, add_seconds
from tests.kernel.journal import encode, fold
from tests.kernel.styles.program import ONCE, ChildInputs, Defer, NodeCall, Program, Question

SECOND_US = 1_000_000
Answers = Mapping[str, Sequence[Any]]
"""ask node -> its answers, in the order of its questions"""


def run_attempt(program: Program, m: Machine, c: Execute, now: int) -> Event:
    """Call the body, and say how it ended."""
    node = program.plan.nodes[c.node]
    body = program.functions[c.node]
    assert body is not None, f"{node.name} is nothing to execute"
    fan = m.fan_outs.get(c.node)
    outcomes = fan.results() if fan is not None else None
    try:
        result = body(NodeCall(program.view(m, c.node), c.attempt, Micros(now), outcomes))
    except Exception as error:
        retry = program.retries.get(node.name, ONCE)
        again = c.attempt < retry.attempts
        at = add_seconds(Micros(now), retry.delay_seconds) if retry.delay_seconds else UNSET
        return ev.Failed(c.node, c.fence, type(error).__name__, str(error), at if again else None)
    if isinstance(result, Defer):
        return ev.Deferred(c.node, c.fence, add_seconds(Micros(now), result.seconds))
    if isinstance(result, Question):
        return ev.InputRequested(c.node, c.fence, result.prompt)
    if isinstance(result, ChildRunsRequest):
        return ev.ChildRunsRequested(c.node, c.fence, result.inputs, result.max_concurrency, result.fail_fast)
    return ev.Succeeded(c.node, c.fence, result.values, result.decision)


def run_child(
    program: Program, node: int, generation: int, index: int, inputs: ChildInputs, start_count: int
) -> ev.ChildStatusChanged:
    """Let a child run to its end."""
    try:
        value = program.children[program.plan.nodes[node].name](inputs, start_count)
    except Exception as error:
        return ev.ChildStatusChanged(node, generation, index, "failed", {}, str(error))
    return ev.ChildStatusChanged(node, generation, index, "completed", {"result": value})


def finish_child(program: Program, m: Machine, c: AwaitChildren, index: int) -> ev.ChildStatusChanged:
    """The end of a child that nobody disturbs."""
    fan = m.fan_outs[c.node]
    return run_child(program, c.node, c.generation, index, fan.inputs[index], fan.start_counts[index])


def evaluate_rule(program: Program, m: Machine, c: Evaluate) -> Event:
    rules = m.compiled_plan.value_predicates[c.node]
    return ev.RuleEvaluated(c.node, tuple(evaluate_predicate(r, program.lookup(m, c.node, r.name)) for r in rules))


def possible_child_events(
    program: Program, m: Machine, c: AwaitChildren, *, allow_pauses: bool = False
) -> Iterator[ev.ChildStatusChanged]:
    """All that may happen next to the children of a node."""
    fan = m.fan_outs[c.node]
    for k in sorted(fan.running | fan.paused):
        yield finish_child(program, m, c, k)
        if allow_pauses:
            yield ev.ChildStatusChanged(c.node, c.generation, k, "paused" if k in fan.running else "running")


def run_to_end(program: Program, inputs: dict[str, Any], answers: Answers | None = None) -> Machine:
    """First in, first out, everything succeeds in the order it was issued; waits move the clock."""
    m = Machine(program.compiled_plan)
    now = 0
    m.apply(ev.Started(inputs, program.skipped_ranges))
    for name, values in (answers or {}).items():
        for value in values:
            m.apply(ev.InputProvided(program.compiled_plan.node_index[name], (value,)))
    while work := m.take_commands():
        for c in work:
            match c:
                case Cancel():
                    pass
                case _ if m.todo.get(c.node) is not c:
                    pass  # the run has halted since
                case Execute():
                    m.apply(ev.Cancelled(c.node, c.fence) if m.halted else run_attempt(program, m, c, now))
                case Evaluate():
                    m.apply(evaluate_rule(program, m, c))
                case StartTimer():
                    now = max(now, c.at) if c.at is not None else now + int(c.after_seconds * SECOND_US)
                    m.apply(ev.TimerFired(c.node))
                case AwaitChildren():
                    m.apply(finish_child(program, m, c, min(m.fan_outs[c.node].running)))
    return m


@dataclass
class ChildRun:
    """A run of its own: it survives the process of its parent, and only hears from it when it is tended."""

    inputs: ChildInputs
    start_count: int
    pauses_left: int
    status: str = "running"
    unreported_end: ev.ChildStatusChanged | None = None
    """what nobody has told its parent yet"""

    def cancel(self, child_key: tuple[int, int, int]) -> None:
        if self.status in ("running", "paused"):
            self.status, self.unreported_end = "cancelled", ev.ChildStatusChanged(*child_key, "cancelled")


class ChaosDriver:
    """One run under a fake clock.  With a seed: bodies begin and end in random order, and the process may die.

    A body has two moments, its beginning (when it looks at its inputs) and its end (when the journal hears of it).  So
    has a child, which may also pause between them, as often as `pauses` says, until somebody resumes it.
    """

    def __init__(
        self,
        program: Program,
        inputs: dict[str, Any],
        answers: Answers | None = None,
        *,
        seed: int | None = None,
        crash_probability: float = 0.0,
        journal: Iterable[str] = (),
        now: int = 0,
        pauses: int = 1,
    ) -> None:
        self.program, self.inputs, self.answers = program, inputs, answers or {}
        self.rng = random.Random(seed) if seed is not None else None
        self.crash_probability = crash_probability
        self.journal = list(journal)
        self.now = now
        self.crash_count = 0
        self.pauses = pauses if seed is not None else 0
        self.children: dict[tuple[int, int, int], ChildRun] = {}
        self.started_children: list[tuple[str, Any]] = []
        """children as they began: their parent, and what they began with"""
        self.executed: list[str] = []
        self.fired_timers: list[tuple[str, float]] = []
        self.live_commands: dict[int, Command] = {}
        self.pending_results: dict[int, Event] = {}
        self.restart()

    # -- one process after another

    def restart(self) -> None:
        """A new process: fold the journal; whatever was being executed died with the old one."""
        self.machine = m = fold(self.program.compiled_plan, self.journal)
        m.take_commands()
        self.live_commands, self.pending_results = dict(m.todo), {}
        lost = list(m.todo.values())
        if m.status == "new":
            self.commit(ev.Started(self.inputs, self.program.skipped_ranges))
        for c in lost:
            if type(c) is Execute:
                self.commit(ev.AttemptLost(c.node, c.fence))

    def commit(self, e: Event) -> None:
        m = self.machine
        assert m.accepts(e), f"{e} is refused; outstanding: {m.todo}"
        self.journal.append(encode(e))
        m.apply(e)
        self._take_commands()

    def _take_commands(self) -> None:
        """Keep `live`, which only hears of commands, beside `todo`, which is a state: they must not disagree."""
        m = self.machine
        for c in m.take_commands():
            if type(c) is not Cancel:
                self.live_commands[c.node] = c
        self.live_commands = {i: c for i, c in self.live_commands.items() if i in m.todo}
        for i, c in m.todo.items():
            if type(c) is StartTimer and type(self.live_commands.get(i)) is StartTimer:
                self.live_commands[i] = c  # TimerSet replaced it
        assert self.live_commands == m.todo, "commands heard of and work outstanding differ"
        self.pending_results = {i: e for i, e in self.pending_results.items() if m.accepts(e)}
        tended = {(c.node, c.generation) for c in m.todo.values() if type(c) is AwaitChildren}
        for place, child in self.children.items():
            if place[:2] not in tended:
                child.cancel(place)

    # -- children

    def actionable_children(self, c: AwaitChildren) -> list[int]:
        """Children of whom there is something to tell or to do."""
        fan = self.machine.fan_outs[c.node]
        if self.machine.suspended:  # nobody starts them, but those that run go on
            return [k for k in sorted(fan.running) if self._is_child_alive(c, k)]
        return sorted(fan.running | fan.paused)

    def _is_child_alive(self, c: AwaitChildren, k: int) -> bool:
        child = self.children.get((c.node, c.generation, k))
        return child is not None and (
            child.unreported_end is None or child.start_count >= self.machine.fan_outs[c.node].start_counts[k]
        )

    def _should_pause(self, child: ChildRun) -> bool:
        return (
            child.unreported_end is None and child.pauses_left > 0 and self.rng is not None and self.rng.random() < 0.3
        )

    def advance_child(self, c: AwaitChildren, k: int) -> None:
        """A child comes a step further."""
        fan, place = self.machine.fan_outs[c.node], (c.node, c.generation, k)
        child = self.children.get(place)
        name = self.program.plan.nodes[c.node].name
        if child is None:
            child = self.children[place] = ChildRun(fan.inputs[k], fan.start_counts[k], self.pauses)
            self.started_children.append((name, child.inputs))
            if self.rng is not None:
                return
        assert child.inputs is fan.inputs[k] or child.inputs == fan.inputs[k], "adopted from another turn"
        if (
            child.unreported_end is not None
            and child.unreported_end.status != "completed"
            and child.start_count < fan.start_counts[k]
        ):
            child.start_count, child.status, child.unreported_end = fan.start_counts[k], "running", None
            self.started_children.append((name, child.inputs))
        elif child.status == "paused":
            child.status = "running"
            if self.rng is not None and self.rng.random() < 0.5:
                self.commit(ev.ChildStatusChanged(*place, "running"))
        elif self._should_pause(child) and k in fan.running:
            child.pauses_left -= 1
            child.status = "paused"
            self.commit(ev.ChildStatusChanged(*place, "paused"))
        elif child.unreported_end is None:
            child.unreported_end = run_child(self.program, *place, child.inputs, child.start_count)
            child.status = child.unreported_end.status
            if self.rng is None:
                self.commit(child.unreported_end)
        else:
            self.commit(child.unreported_end)

    # -- what can happen next

    def actionable_nodes(self) -> list[int]:
        """Nodes with something to do now: to begin or end a body, to evaluate, to ring or fix a timer."""
        m = self.machine
        can = []
        for i, c in m.todo.items():
            if type(c) is StartTimer:
                if c.at is not None and (c.at > self.now or m.suspended):
                    continue
            elif type(c) is AwaitChildren:
                if not self.actionable_children(c):
                    continue
            elif type(c) is Execute and m.suspended and i not in self.pending_results:
                continue
            can.append(i)
        return can

    def advance_node(self, i: int) -> None:
        m = self.machine
        c = m.todo[i]
        match c:
            case StartTimer(node, after_seconds, None):
                self.commit(ev.TimerSet(node, add_seconds(Micros(self.now), after_seconds)))
            case StartTimer(node):
                self.fired_timers.append((self.program.plan.nodes[node].name, self.now / SECOND_US))
                self.commit(ev.TimerFired(node))
            case Evaluate():
                self.commit(evaluate_rule(self.program, m, c))
            case AwaitChildren():
                can = self.actionable_children(c)
                self.advance_child(c, can[0] if self.rng is None else self.rng.choice(can))
            case Execute(node, fence) if i not in self.pending_results:
                if m.halted:
                    self.commit(ev.Cancelled(node, fence))
                    return
                self.executed.append(self.program.plan.nodes[i].name)
                self.pending_results[i] = run_attempt(self.program, m, c, self.now)
                if self.rng is None:
                    self.commit(self.pending_results.pop(i))
            case _:
                self.commit(self.pending_results.pop(i))

    def provide_answer(self) -> bool:
        """Give the next answer, to a question that is open; with a seed maybe to one that nobody has asked yet."""
        m = self.machine
        given: dict[str, int] = {}
        for line in self.journal:
            if line.startswith('["InputProvided"'):
                name = self.program.plan.nodes[_node_in_line(line)].name
                given[name] = given.get(name, 0) + 1
        early = self.rng is not None and self.rng.random() < 0.2
        for name, values in self.answers.items():
            i = self.program.compiled_plan.node_index[name]
            k = given.get(name, 0)
            if k < len(values) and (early or i in m.pending_inputs):
                e = ev.InputProvided(i, (values[k],))
                if m.accepts(e):
                    self.commit(e)
                    return True
        return False

    def step(self) -> bool:
        """One thing happens; False if nothing can."""
        m = self.machine
        if m.ended:
            return False
        can = self.actionable_nodes()
        if self.rng is None:
            if can:
                self.advance_node(can[0])
                return True
        elif can and (not self.answers or self.rng.random() < 0.8 or not self.provide_answer()):
            self.advance_node(self.rng.choice(can))
            return True
        elif can:
            return True
        if self.provide_answer():
            return True
        due = [c.at for c in m.todo.values() if type(c) is StartTimer and c.at is not None]
        if not due or m.suspended:
            return False
        self.now = max(self.now, min(due))
        return True

    def run_to_end(self) -> Machine:
        while True:
            if self.rng is not None and self.rng.random() < self.crash_probability:
                self.crash_count += 1
                self.restart()
            elif not self.step():
                return self.machine


def _node_in_line(line: str) -> int:
    start = line.index('"node": ') + len('"node": ')
    return int(line[start : line.index(",", start)])


def run_outcome(program: Program, m: Machine) -> dict[str, Any]:
    """Everything about a run that no order and no crash may change."""
    return {
        "status": m.status,
        "outputs": program.outputs(m),
        "states": m.node_states,
        "fired": m.run_counts,
        "errors": sorted(m.errors.items()),
    }
