"""Random loops in memory, in one thread and on a loop, and on the record: one outcome, and none that stops half way.

What each loop is to come to is also computed here, by a plain Python loop over the same turns.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from hypothesis import strategies as st

from holdwater import END, Graph, MemoryCheckpointer, interrupt, node, route
from holdwater.graphs.nodes.base import Node
from holdwater.runners.graphs import AsyncRunner, RunResult, SyncRunner
from tests.runners.graphs.local.programs import Calls, Silence, function_of
from tests.suite.effort import tried

Shared: TypeAlias = Literal["", "edges", "signals"]


class Boom(Exception):
    """What a failing body raises."""


@dataclass(frozen=True)
class Loop:
    """Turns of `log`, a list: a gate that decides when it is long enough, and branches of nodes that write on.

    - `branches`: one per target; of each node how much it appends to `log`.
    - `closed`: the gate decides before the body; otherwise there is one branch, which goes first.
    - `shared`: all nodes write the one name `log`, in an order of declared edges or of signals.  Otherwise each node
      hands on to the next by a name of its own.
    - `named`: entry points say where it begins.
    - `asks`: behind each branch a person is shown the log, and answers with the next.  `early`: the first answer is
      given with the inputs, the others by a handler.
    - `fails_at`: the call of a body, counted from 1, that raises; 0: none.
    """

    branches: tuple[tuple[int, ...], ...]
    limit: int
    start: int
    closed: bool
    shared: Shared
    named: bool
    asks: bool
    early: bool
    fails_at: int

    @property
    def gate_first(self) -> bool:
        """One entry point goes before the gate; of several the gate lets in one."""
        return self.closed and not (self.named and len(self.branches) == 1)

    def names(self, branch: int) -> list[str]:
        return [f"n{branch}_{k}" for k in range(len(self.branches[branch]))]

    def target(self, length: int) -> int | None:
        return None if length >= self.limit else length % len(self.branches)


@st.composite
def loops(draw: st.DrawFn) -> Loop:
    closed = draw(st.booleans())
    sizes = st.lists(st.integers(1, 2), min_size=1, max_size=3).map(tuple)
    branches = draw(st.lists(sizes, min_size=1, max_size=3 if closed else 1).map(tuple))
    shared: Shared = draw(st.sampled_from(["", "", "edges", "signals"]))
    return Loop(
        branches,
        limit=draw(st.integers(1, 9)),
        start=draw(st.integers(0, 3)),
        closed=closed,
        shared=shared,
        named=draw(st.booleans()) or (bool(shared) and not closed),
        asks=draw(st.integers(0, 3)) == 0,
        early=draw(st.booleans()),
        fails_at=draw(st.sampled_from([0, 0, 0, 1, 2, 4])),
    )


class Bodies:
    """What the nodes do; counts calls, and raises at the one that is to fail."""

    def __init__(self, loop: Loop) -> None:
        self.loop, self.calls, self.count = loop, Calls(), 0

    def work(self, name: str, log: list[str], size: int) -> list[str]:
        self.calls.add(name)
        self.count += 1
        if self.count == self.loop.fails_at:
            raise Boom(name)
        return [*log, *[name] * size]

    def choose(self, log: list[str]) -> int | None:
        self.calls.add("gate")
        return self.loop.target(len(log))


EARLY = ["early"]


def answer(shown: list[str]) -> list[str]:
    return [*shown, "answer"]


def built(loop: Loop, bodies: Bodies) -> Graph:
    shares = bool(loop.shared)
    nodes: list[Node] = []
    order: list[tuple[str, str]] = []
    ends: list[str] = []

    def add(name: str, reads: tuple[str, ...], writes: str, after: str, body: Any, *, asks: bool = False) -> None:
        ports: dict[str, Any] = {}
        if loop.shared == "signals":
            ports = {} if asks else {"emit": f"done_{name}"}
            ports |= {"wait_for": f"done_{after}"} if after else {}
        elif shares and after:
            order.append((after, name))
        function = function_of(name, reads, body)
        nodes.append(
            interrupt(answer_name=writes, **ports)(function) if asks else node(function, output_name=writes, **ports)
        )

    for b, sizes in enumerate(loop.branches):
        names, carried, after = loop.names(b), "log", ""
        for k, (name, size) in enumerate(zip(names, sizes, strict=True)):
            last = k == len(names) - 1 and not loop.asks
            writes = "log" if shares or last else f"from_{name}"
            add(name, (carried,), writes, after, lambda log, name=name, size=size: bodies.work(name, log, size))
            carried, after = writes, name
        if loop.asks:
            asking, kept = f"ask{b}", f"keep{b}"
            add(asking, (carried,), f"said{b}", after, lambda log: log, asks=True)
            add(kept, (f"said{b}",), "log", "", lambda said: said)
            after = kept
        ends.append(after)
    targets = [loop.names(b)[0] for b in range(len(loop.branches))]

    def choose(log: list[str]) -> Any:
        chosen = bodies.choose(log)
        return END if chosen is None else targets[chosen]

    nodes.append(route([*targets, END], default_open=not loop.closed)(function_of("gate", ("log",), choose)))
    if shares:
        order += [(end, "gate") for end in ends]
    return Graph(
        nodes,
        name="turns",
        shared=["log"] if shares else None,
        edges=order if shares else None,
        entrypoint=targets if loop.named else None,
    )


def expected(loop: Loop) -> tuple[list[str], Counter[str], bool]:
    """The log, what is called and whether it fails, by a loop of Python."""
    bodies, log, answered = Bodies(loop), ["s"] * loop.start, 0
    branch = bodies.choose(log) if loop.gate_first else 0
    while branch is not None:
        for name, size in zip(loop.names(branch), loop.branches[branch], strict=True):
            try:
                made = bodies.work(name, log, size)
            except Boom:
                return log, bodies.calls.take(), True
            log = made
        if loop.asks:
            log = EARLY if loop.early and not answered else answer(log)
            answered += 1
        branch = bodies.choose(log)
    return log, bodies.calls.take(), False


def ran(way: str, loop: Loop) -> tuple[RunResult, Counter[str]]:
    bodies = Bodies(loop)
    graph = built(loop, bodies)
    given: dict[str, Any] = {"log": ["s"] * loop.start}
    options: dict[str, Any] = {"select": ["*"], "error_handling": "continue", "max_iterations": 100}
    if way == "heard":
        return SyncRunner(event_processors=[Silence()]).run(graph, given, **options), bodies.calls.take()
    if way == "plain":
        return SyncRunner().run(graph, given, **options), bodies.calls.take()
    if loop.asks:
        names = [node.name for node in graph.interrupt_nodes]
        options["interrupt_handlers"] = dict.fromkeys(names, answer)
        if loop.early and len(names) == 1:
            given[names[0]] = EARLY
    with MemoryCheckpointer() as checkpointer:
        runner = AsyncRunner(checkpointer=checkpointer if way == "recorded" else None)
        return asyncio.run(runner.run(graph, given, **options)), bodies.calls.take()


def _compared(loop: Loop) -> None:
    if len(loop.branches) > 1:  # the branch that asks first takes its answer, whichever it is
        loop = replace(loop, early=False)
    log, calls, fails = expected(loop)
    for way in ("async", "recorded") if loop.asks else ("plain", "heard", "async", "recorded"):
        result, called = ran(way, loop)
        assert called == calls, way
        assert (result.error is not None) == fails, (way, result.error)
        if fails:
            assert isinstance(result.error, Boom), way
        else:
            assert result.get("log", ["s"] * loop.start) == log, way


@tried(loops(), by_default=40, long=1500)
def test_random_loops(loop: Loop) -> None:
    _compared(loop)
