"""Two drivers: a plain one, and one that shuffles, crashes and restarts.  Neither has a clock or a thread."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from penstock.kernel import Machine
from penstock.model import events as ev
from penstock.model.commands import Cancel, Command, Evaluate, Execute, Wake
from penstock.model.events import Event
from penstock.model.rules import holds

from .journal import encode, fold
from .styles.program import ONCE, Call, Later, Program

SECOND = 1_000_000
Answers = Mapping[str, Sequence[Any]]
"""ask node -> its answers, in the order of its questions"""


def attempt(program: Program, m: Machine, c: Execute, now: int) -> Event:
    """Call the body, and say how it ended."""
    node = program.plan.nodes[c.node]
    body = program.bodies[c.node]
    assert body is not None, f"{node.name} is nothing to execute"
    try:
        result = body(Call(program.view(m, c.node), c.attempt, now))
    except Exception as error:
        retry = program.retries.get(node.name, ONCE)
        again = c.attempt < retry.attempts
        at = now + int(retry.delay_s * SECOND) if retry.delay_s else 0
        return ev.Failed(c.node, c.fence, type(error).__name__, str(error), at if again else None)
    if isinstance(result, Later):
        return ev.Deferred(c.node, c.fence, now + int(result.seconds * SECOND))
    return ev.Succeeded(c.node, c.fence, result.values, result.decision)


def evaluate(program: Program, m: Machine, c: Evaluate) -> Event:
    rules = m.layout.values[c.node]
    return ev.Evaluated(c.node, tuple(holds(r, program.lookup(m, c.node, r.name)) for r in rules))


def run(program: Program, inputs: dict[str, Any], answers: Answers | None = None) -> Machine:
    """First in, first out, everything succeeds in the order it was issued; waits move the clock."""
    m = Machine(program.layout)
    now = 0
    m.apply(ev.Started(inputs))
    for name, values in (answers or {}).items():
        for value in values:
            m.apply(ev.Answered(program.layout.index[name], (value,)))
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
                    now = max(now, c.at) if c.at is not None else now + int(c.after_s * SECOND)
                    m.apply(ev.TimerFired(c.node))
    return m


class Chaos:
    """One run under a fake clock.  With a seed: bodies begin and end in random order, and the process may die.

    A body has two moments, its beginning (when it looks at its inputs) and its end (when the journal hears of it).
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
    ) -> None:
        self.program, self.inputs, self.answers = program, inputs, answers or {}
        self.rng = random.Random(seed) if seed is not None else None
        self.crash = crash
        self.journal = list(journal)
        self.now = now
        self.crashes = 0
        self.executed: list[str] = []
        self.woken: list[tuple[str, float]] = []
        self.live: dict[int, Command] = {}
        self.ends: dict[int, Event] = {}
        self.restart()

    # -- one process after another

    def restart(self) -> None:
        """A new process: fold the journal; whatever was being executed died with the old one."""
        self.machine = m = fold(self.program.layout, self.journal)
        m.take()
        self.live, self.ends = dict(m.todo), {}
        lost = list(m.todo.values())
        if m.status == "new":
            self.commit(ev.Started(self.inputs))
        for c in lost:
            if type(c) is Execute:
                self.commit(ev.Abandoned(c.node, c.fence))

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

    # -- what can happen next

    def choices(self) -> list[int]:
        """Nodes with something to do now: to begin or end a body, to evaluate, to ring or fix a timer."""
        m = self.machine
        can = []
        for i, c in m.todo.items():
            if type(c) is Wake:
                if c.at is not None and (c.at > self.now or m.suspended):
                    continue
            elif type(c) is Execute and m.suspended and i not in self.ends:
                continue
            can.append(i)
        return can

    def act(self, i: int) -> None:
        m = self.machine
        c = m.todo[i]
        match c:
            case Wake(node, after_s, None):
                self.commit(ev.TimerSet(node, self.now + int(after_s * SECOND)))
            case Wake(node):
                self.woken.append((self.program.plan.nodes[node].name, self.now / SECOND))
                self.commit(ev.TimerFired(node))
            case Evaluate():
                self.commit(evaluate(self.program, m, c))
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
            if line.startswith('["Answered"'):
                name = self.program.plan.nodes[_node_of(line)].name
                given[name] = given.get(name, 0) + 1
        early = self.rng is not None and self.rng.random() < 0.2
        for name, values in self.answers.items():
            i = self.program.layout.index[name]
            k = given.get(name, 0)
            if k < len(values) and (early or i in m.asked):
                e = ev.Answered(i, (values[k],))
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
        "fired": m.fired,
        "errors": sorted(m.errors.items()),
    }
