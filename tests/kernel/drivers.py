"""Two drivers: a plain one, and one that shuffles, crashes and restarts.  Neither has a clock or a thread."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from holdwater.kernel import Machine
from holdwater.model import events as ev
from holdwater.model.commands import AwaitChildren, Cancel, Command, Evaluate, Execute, Wake
from holdwater.model.events import Event
from holdwater.model.fanout import ChildRunsRequest
from holdwater.model.rules import holds
from holdwater.model.time import UNSET, Micros, add_seconds
from tests.kernel.journal import encode, fold
from tests.kernel.styles.program import ONCE, Call, Given, Later, Program, Question

SECOND = 1_000_000
Answers = Mapping[str, Sequence[Any]]
"""ask node -> its answers, in the order of its questions"""


def attempt(program: Program, m: Machine, c: Execute, now: int) -> Event:
    """Call the body, and say how it ended."""
    node = program.plan.nodes[c.node]
    body = program.bodies[c.node]
    assert body is not None, f"{node.name} is nothing to execute"
    fan = m.fan_outs.get(c.node)
    outcomes = fan.results() if fan is not None else None
    try:
        result = body(Call(program.view(m, c.node), c.attempt, Micros(now), outcomes))
    except Exception as error:
        retry = program.retries.get(node.name, ONCE)
        again = c.attempt < retry.attempts
        at = add_seconds(Micros(now), retry.delay_seconds) if retry.delay_seconds else UNSET
        return ev.Failed(c.node, c.fence, type(error).__name__, str(error), at if again else None)
    if isinstance(result, Later):
        return ev.Deferred(c.node, c.fence, add_seconds(Micros(now), result.seconds))
    if isinstance(result, Question):
        return ev.InputRequested(c.node, c.fence, result.shown)
    if isinstance(result, ChildRunsRequest):
        return ev.ChildRunsRequested(c.node, c.fence, result.inputs, result.max_concurrency, result.fail_fast)
    return ev.Succeeded(c.node, c.fence, result.values, result.decision)


def child_ended(program: Program, node: int, turn: int, item: int, given: Given, life: int) -> ev.ChildStatusChanged:
    """Let a child run to its end."""
    try:
        value = program.children[program.plan.nodes[node].name](given, life)
    except Exception as error:
        return ev.ChildStatusChanged(node, turn, item, "failed", {}, str(error))
    return ev.ChildStatusChanged(node, turn, item, "completed", {"result": value})


def grown_up(program: Program, m: Machine, c: AwaitChildren, item: int) -> ev.ChildStatusChanged:
    """The end of a child that nobody disturbs."""
    fan = m.fan_outs[c.node]
    return child_ended(program, c.node, c.generation, item, fan.inputs[item], fan.start_counts[item])


def evaluate(program: Program, m: Machine, c: Evaluate) -> Event:
    rules = m.compiled_plan.value_predicates[c.node]
    return ev.RuleEvaluated(c.node, tuple(holds(r, program.lookup(m, c.node, r.name)) for r in rules))


def child_moves(
    program: Program, m: Machine, c: AwaitChildren, *, pausing: bool = False
) -> Iterator[ev.ChildStatusChanged]:
    """All that may happen next to the children of a node."""
    fan = m.fan_outs[c.node]
    for k in sorted(fan.running | fan.paused):
        yield grown_up(program, m, c, k)
        if pausing:
            yield ev.ChildStatusChanged(c.node, c.generation, k, "paused" if k in fan.running else "running")


def run(program: Program, inputs: dict[str, Any], answers: Answers | None = None) -> Machine:
    """First in, first out, everything succeeds in the order it was issued; waits move the clock."""
    m = Machine(program.compiled_plan)
    now = 0
    m.apply(ev.Started(inputs, program.passed))
    for name, values in (answers or {}).items():
        for value in values:
            m.apply(ev.InputProvided(program.compiled_plan.index[name], (value,)))
    while work := m.take():
        for c in work:
            match c:
                case Cancel():
                    pass
                case _ if m.todo.get(c.node) is not c:
                    pass  # the run has halted since
                case Execute():
                    m.apply(ev.Cancelled(c.node, c.fence) if m.halted else attempt(program, m, c, now))
                case Evaluate():
                    m.apply(evaluate(program, m, c))
                case Wake():
                    now = max(now, c.at) if c.at is not None else now + int(c.after_seconds * SECOND)
                    m.apply(ev.TimerFired(c.node))
                case AwaitChildren():
                    m.apply(grown_up(program, m, c, min(m.fan_outs[c.node].running)))
    return m


@dataclass
class ChildRun:
    """A run of its own: it survives the process of its parent, and only hears from it when it is tended."""

    given: Given
    life: int
    pauses: int
    status: str = "running"
    end: ev.ChildStatusChanged | None = None
    """what nobody has told its parent yet"""

    def cancel(self, place: tuple[int, int, int]) -> None:
        if self.status in ("running", "paused"):
            self.status, self.end = "cancelled", ev.ChildStatusChanged(*place, "cancelled")


class Chaos:
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
        crash: float = 0.0,
        journal: Iterable[str] = (),
        now: int = 0,
        pauses: int = 1,
    ) -> None:
        self.program, self.inputs, self.answers = program, inputs, answers or {}
        self.rng = random.Random(seed) if seed is not None else None
        self.crash = crash
        self.journal = list(journal)
        self.now = now
        self.crashes = 0
        self.pauses = pauses if seed is not None else 0
        self.children: dict[tuple[int, int, int], ChildRun] = {}
        self.raised: list[tuple[str, Any]] = []
        """children as they began: their parent, and what they began with"""
        self.executed: list[str] = []
        self.woken: list[tuple[str, float]] = []
        self.live: dict[int, Command] = {}
        self.ends: dict[int, Event] = {}
        self.restart()

    # -- one process after another

    def restart(self) -> None:
        """A new process: fold the journal; whatever was being executed died with the old one."""
        self.machine = m = fold(self.program.compiled_plan, self.journal)
        m.take()
        self.live, self.ends = dict(m.todo), {}
        lost = list(m.todo.values())
        if m.status == "new":
            self.commit(ev.Started(self.inputs, self.program.passed))
        for c in lost:
            if type(c) is Execute:
                self.commit(ev.AttemptLost(c.node, c.fence))

    def commit(self, e: Event) -> None:
        m = self.machine
        assert m.accepts(e), f"{e} is refused; outstanding: {m.todo}"
        self.journal.append(encode(e))
        m.apply(e)
        self._take()

    def _take(self) -> None:
        """Keep `live`, which only hears of commands, beside `todo`, which is a state: they must not disagree."""
        m = self.machine
        for c in m.take():
            if type(c) is not Cancel:
                self.live[c.node] = c
        self.live = {i: c for i, c in self.live.items() if i in m.todo}
        for i, c in m.todo.items():
            if type(c) is Wake and type(self.live.get(i)) is Wake:
                self.live[i] = c  # TimerSet replaced it
        assert self.live == m.todo, "commands heard of and work outstanding differ"
        self.ends = {i: e for i, e in self.ends.items() if m.accepts(e)}
        tended = {(c.node, c.generation) for c in m.todo.values() if type(c) is AwaitChildren}
        for place, child in self.children.items():
            if place[:2] not in tended:
                child.cancel(place)

    # -- children

    def news(self, c: AwaitChildren) -> list[int]:
        """Children of whom there is something to tell or to do."""
        fan = self.machine.fan_outs[c.node]
        if self.machine.suspended:  # nobody starts them, but those that run go on
            return [k for k in sorted(fan.running) if self._lives(c, k)]
        return sorted(fan.running | fan.paused)

    def _lives(self, c: AwaitChildren, k: int) -> bool:
        child = self.children.get((c.node, c.generation, k))
        return child is not None and (child.end is None or child.life >= self.machine.fan_outs[c.node].start_counts[k])

    def _may_pause(self, child: ChildRun) -> bool:
        return child.end is None and child.pauses > 0 and self.rng is not None and self.rng.random() < 0.3

    def raise_child(self, c: AwaitChildren, k: int) -> None:
        """A child comes a step further."""
        fan, place = self.machine.fan_outs[c.node], (c.node, c.generation, k)
        child = self.children.get(place)
        name = self.program.plan.nodes[c.node].name
        if child is None:
            child = self.children[place] = ChildRun(fan.inputs[k], fan.start_counts[k], self.pauses)
            self.raised.append((name, child.given))
            if self.rng is not None:
                return
        assert child.given is fan.inputs[k] or child.given == fan.inputs[k], "adopted from another turn"
        if child.end is not None and child.end.status != "completed" and child.life < fan.start_counts[k]:
            child.life, child.status, child.end = fan.start_counts[k], "running", None
            self.raised.append((name, child.given))
        elif child.status == "paused":
            child.status = "running"
            if self.rng is not None and self.rng.random() < 0.5:
                self.commit(ev.ChildStatusChanged(*place, "running"))
        elif self._may_pause(child) and k in fan.running:
            child.pauses -= 1
            child.status = "paused"
            self.commit(ev.ChildStatusChanged(*place, "paused"))
        elif child.end is None:
            child.end = child_ended(self.program, *place, child.given, child.life)
            child.status = child.end.status
            if self.rng is None:
                self.commit(child.end)
        else:
            self.commit(child.end)

    # -- what can happen next

    def choices(self) -> list[int]:
        """Nodes with something to do now: to begin or end a body, to evaluate, to ring or fix a timer."""
        m = self.machine
        can = []
        for i, c in m.todo.items():
            if type(c) is Wake:
                if c.at is not None and (c.at > self.now or m.suspended):
                    continue
            elif type(c) is AwaitChildren:
                if not self.news(c):
                    continue
            elif type(c) is Execute and m.suspended and i not in self.ends:
                continue
            can.append(i)
        return can

    def act(self, i: int) -> None:
        m = self.machine
        c = m.todo[i]
        match c:
            case Wake(node, after_seconds, None):
                self.commit(ev.TimerSet(node, add_seconds(Micros(self.now), after_seconds)))
            case Wake(node):
                self.woken.append((self.program.plan.nodes[node].name, self.now / SECOND))
                self.commit(ev.TimerFired(node))
            case Evaluate():
                self.commit(evaluate(self.program, m, c))
            case AwaitChildren():
                can = self.news(c)
                self.raise_child(c, can[0] if self.rng is None else self.rng.choice(can))
            case Execute(node, fence) if i not in self.ends:
                if m.halted:
                    self.commit(ev.Cancelled(node, fence))
                    return
                self.executed.append(self.program.plan.nodes[i].name)
                self.ends[i] = attempt(self.program, m, c, self.now)
                if self.rng is None:
                    self.commit(self.ends.pop(i))
            case _:
                self.commit(self.ends.pop(i))

    def answer(self) -> bool:
        """Give the next answer, to a question that is open; with a seed maybe to one that nobody has asked yet."""
        m = self.machine
        given: dict[str, int] = {}
        for line in self.journal:
            if line.startswith('["InputProvided"'):
                name = self.program.plan.nodes[_node_of(line)].name
                given[name] = given.get(name, 0) + 1
        early = self.rng is not None and self.rng.random() < 0.2
        for name, values in self.answers.items():
            i = self.program.compiled_plan.index[name]
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
        can = self.choices()
        if self.rng is None:
            if can:
                self.act(can[0])
                return True
        elif can and (not self.answers or self.rng.random() < 0.8 or not self.answer()):
            self.act(self.rng.choice(can))
            return True
        elif can:
            return True
        if self.answer():
            return True
        due = [c.at for c in m.todo.values() if type(c) is Wake and c.at is not None]
        if not due or m.suspended:
            return False
        self.now = max(self.now, min(due))
        return True

    def go(self) -> Machine:
        while True:
            if self.rng is not None and self.rng.random() < self.crash:
                self.crashes += 1
                self.restart()
            elif not self.step():
                return self.machine


def _node_of(line: str) -> int:
    start = line.index('"node": ') + len('"node": ')
    return int(line[start : line.index(",", start)])


def outcome(program: Program, m: Machine) -> dict[str, Any]:
    """Everything about a run that no order and no crash may change."""
    return {
        "status": m.status,
        "outputs": program.outputs(m),
        "states": m.state,
        "fired": m.run_counts,
        "errors": sorted(m.errors.items()),
    }
