"""Random loops in memory, in one thread and on a loop, and on the record: one outcome, and none that stops half way.

What each loop is to come to is also computed here, by a plain Python loop over the same turns.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from hypothesis import strategies as st

from holdwater import END, Graph, interrupt, node, route
from holdwater.checkpointers import MemoryCheckpointer
from holdwater.graphs.nodes.base import Node
from holdwater.runners.graphs import AsyncRunner, RunResult, SyncRunner
from tests.runners.graphs.local.programs import CallLog, IgnoringProcessor, make_function
from tests.suite.effort import property_test

Shared: TypeAlias = Literal["", "edges", "signals"]


class Boom(Exception):
    """What a failing body raises."""


@dataclass(frozen=True)
class LoopSpec:
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
    shared_order: Shared
    has_entrypoints: bool
    has_questions: bool
    has_early_answer: bool
    fails_at: int

    @property
    def gate_first(self) -> bool:
        """One entry point goes before the gate; of several the gate lets in one."""
        return self.closed and not (self.has_entrypoints and len(self.branches) == 1)

    def names(self, branch: int) -> list[str]:
        return [f"n{branch}_{k}" for k in range(len(self.branches[branch]))]

    def target(self, length: int) -> int | None:
        return None if length >= self.limit else length % len(self.branches)


@st.composite
def loops(draw: st.DrawFn) -> LoopSpec:
    closed = draw(st.booleans())
    sizes = st.lists(st.integers(1, 2), min_size=1, max_size=3).map(tuple)
    branches = draw(st.lists(sizes, min_size=1, max_size=3 if closed else 1).map(tuple))
    shared: Shared = draw(st.sampled_from(["", "", "edges", "signals"]))
    return LoopSpec(
        branches,
        limit=draw(st.integers(1, 9)),
        start=draw(st.integers(0, 3)),
        closed=closed,
        shared_order=shared,
        has_entrypoints=draw(st.booleans()) or (bool(shared) and not closed),
        has_questions=draw(st.integers(0, 3)) == 0,
        has_early_answer=draw(st.booleans()),
        fails_at=draw(st.sampled_from([0, 0, 0, 1, 2, 4])),
    )


class LoopFunctions:
    """What the nodes do; counts calls, and raises at the one that is to fail."""

    def __init__(self, loop: LoopSpec) -> None:
        self.loop, self.calls, self.call_count = loop, CallLog(), 0

    def work(self, name: str, log: list[str], size: int) -> list[str]:
        self.calls.add(name)
        self.call_count += 1
        if self.call_count == self.loop.fails_at:
            raise Boom(name)
        return [*log, *[name] * size]

    def choose(self, log: list[str]) -> int | None:
        self.calls.add("gate")
        return self.loop.target(len(log))


EARLY_ANSWER = ["early"]


def answer_question(log: list[str]) -> list[str]:
    return [*log, "answer"]


def build_loop_graph(loop: LoopSpec, functions: LoopFunctions) -> Graph:
    shares = bool(loop.shared_order)
    nodes: list[Node] = []
    order: list[tuple[str, str]] = []
    ends: list[str] = []

    def add(name: str, reads: tuple[str, ...], writes: str, after: str, body: Any, *, asks: bool = False) -> None:
        ports: dict[str, Any] = {}
        if loop.shared_order == "signals":
            ports = {} if asks else {"emit": f"done_{name}"}
            ports |= {"wait_for": f"done_{after}"} if after else {}
        elif shares and after:
            order.append((after, name))
        function = make_function(name, reads, body)
        nodes.append(
            interrupt(answer_name=writes, **ports)(function) if asks else node(function, output_name=writes, **ports)
        )

    for b, sizes in enumerate(loop.branches):
        names, carried, after = loop.names(b), "log", ""
        for k, (name, size) in enumerate(zip(names, sizes, strict=True)):
            last = k == len(names) - 1 and not loop.has_questions
            writes = "log" if shares or last else f"from_{name}"
            add(name, (carried,), writes, after, lambda log, name=name, size=size: functions.work(name, log, size))
            carried, after = writes, name
        if loop.has_questions:
            asking, kept = f"ask{b}", f"keep{b}"
            add(asking, (carried,), f"said{b}", after, lambda log: log, asks=True)
            add(kept, (f"said{b}",), "log", "", lambda said: said)
            after = kept
        ends.append(after)
    targets = [loop.names(b)[0] for b in range(len(loop.branches))]

    def choose(log: list[str]) -> Any:
        chosen = functions.choose(log)
        return END if chosen is None else targets[chosen]

    nodes.append(route([*targets, END], default_open=not loop.closed)(make_function("gate", ("log",), choose)))
    if shares:
        order += [(end, "gate") for end in ends]
    return Graph(
        nodes,
        name="turns",
        shared=["log"] if shares else None,
        edges=order if shares else None,
        entrypoint=targets if loop.has_entrypoints else None,
    )


def expected_outcome(loop: LoopSpec) -> tuple[list[str], Counter[str], bool]:
    """The log, what is called and whether it fails, by a loop of Python."""
    bodies, log, answered = LoopFunctions(loop), ["s"] * loop.start, 0
    branch = bodies.choose(log) if loop.gate_first else 0
    while branch is not None:
        for name, size in zip(loop.names(branch), loop.branches[branch], strict=True):
            try:
                made = bodies.work(name, log, size)
            except Boom:
                return log, bodies.calls.take_counts(), True
            log = made
        if loop.has_questions:
            log = EARLY_ANSWER if loop.has_early_answer and not answered else answer_question(log)
            answered += 1
        branch = bodies.choose(log)
    return log, bodies.calls.take_counts(), False


def run_loop(mode: str, loop: LoopSpec) -> tuple[RunResult, Counter[str]]:
    bodies = LoopFunctions(loop)
    graph = build_loop_graph(loop, bodies)
    given: dict[str, Any] = {"log": ["s"] * loop.start}
    options: dict[str, Any] = {"select": ["*"], "error_handling": "continue", "max_iterations": 100}
    if mode == "heard":
        return SyncRunner(event_processors=[IgnoringProcessor()]).run(
            graph, given, **options
        ), bodies.calls.take_counts()
    if mode == "plain":
        return SyncRunner().run(graph, given, **options), bodies.calls.take_counts()
    if loop.has_questions:
        names = [node.name for node in graph.interrupt_nodes]
        options["interrupt_handlers"] = dict.fromkeys(names, answer_question)
        if loop.has_early_answer and len(names) == 1:
            given[names[0]] = EARLY_ANSWER
    with MemoryCheckpointer() as checkpointer:
        runner = AsyncRunner(checkpointer=checkpointer if mode == "recorded" else None)
        return asyncio.run(runner.run(graph, given, **options)), bodies.calls.take_counts()


def _compare_modes(loop: LoopSpec) -> None:
    if len(loop.branches) > 1:  # the branch that asks first takes its answer, whichever it is
        loop = replace(loop, has_early_answer=False)
    log, calls, fails = expected_outcome(loop)
    for way in ("async", "recorded") if loop.has_questions else ("plain", "heard", "async", "recorded"):
        result, called = run_loop(way, loop)
        assert called == calls, way
        assert (result.error is not None) == fails, (way, result.error)
        if fails:
            assert isinstance(result.error, Boom), way
        else:
            assert result.get("log", ["s"] * loop.start) == log, way


@property_test(loops(), quick_examples=40, long_examples=1500)
def test_random_loops(loop: LoopSpec) -> None:
    _compare_modes(loop)
