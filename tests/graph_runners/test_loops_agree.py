"""Random loops run in memory, in one thread and on a loop, and on the record: one outcome, and none that stops half way.

What each loop is to come to is also computed here, by a plain Python loop over the same turns.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock import END, Graph, MemoryCheckpointer, interrupt, node, route
from penstock.graphs.nodes.base import Node
from penstock.runners.graphs import AsyncRunner, RunResult, SyncRunner
from tests.direct.programs import Calls, Silence, function_of

QUICK = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


class Boom(Exception):
    """What a failing body raises."""


@dataclass(frozen=True)
class Loop:
    """Turns of `log`, a list: a gate that decides when it is long enough, and branches of nodes that write on.

    - `branches`: one per target; of each node how much it appends to `log`, 0 for one that only makes a value.
    - `first`: the gate decides before the body; otherwise `branches` has one, which goes first.
    - `shared`: all writers write the one name `log`, in an order of declared edges or (`signals`) of signals.
      Otherwise each node hands on to the next by a name of its own.
    - `named`: the beginning is an entry point, and not inferred.
    - `asks`: the last node of each branch asks a person, whose answers are appended.  `early`: answers given with the
      inputs, before the question.
    - `fails_at`: the call of a body, counted from 1, that raises; 0: none.
    """

    branches: tuple[tuple[int, ...], ...]
    limit: int
    start: int
    first: bool
    shared: bool
    signals: bool
    named: bool
    asks: bool
    early: bool
    fails_at: int

    def names(self, branch: int) -> list[str]:
        return [f"n{branch}_{k}" for k in range(len(self.branches[branch]))]


@st.composite
def loops(draw: st.DrawFn) -> Loop:
    first = draw(st.booleans())
    count = draw(st.integers(1, 3)) if first else 1
    branches = tuple(tuple(draw(st.lists(st.integers(0, 2), min_size=1, max_size=3))) for _ in range(count))
    branches = tuple((*branch[:-1], max(branch[-1], 1)) for branch in branches)  # every turn gets on
    shared = draw(st.booleans())
    return Loop(
        branches,
        limit=draw(st.integers(1, 7)),
        start=draw(st.integers(0, 3)),
        first=first,
        shared=shared,
        signals=shared and draw(st.booleans()),
        named=not first or draw(st.booleans()),
        asks=draw(st.integers(0, 3)) == 0,
        early=draw(st.booleans()),
        fails_at=draw(st.sampled_from([0, 0, 0, 1, 2, 4])),
    )


class Bodies:
    """Counts calls, and raises at the one that is to fail."""

    def __init__(self, loop: Loop) -> None:
        self.loop, self.calls, self.count = loop, Calls(), 0

    def begin(self, name: str) -> None:
        self.calls.add(name)
        self.count += 1
        if self.count == self.loop.fails_at:
            raise Boom(name)

    def work(self, name: str, size: int) -> Any:
        def body(log: list[str], *others: Any) -> list[str]:
            self.begin(name)
            return [*log, *[name] * size]

        return body

    def choose(self, log: list[str]) -> Any:
        self.calls.add("gate")
        return self.target(len(log))

    def target(self, length: int) -> Any:
        loop = self.loop
        return END if length >= loop.limit else loop.names(length % len(loop.branches))[0]


def built(loop: Loop, bodies: Bodies) -> Graph:
    nodes: list[Node] = []
    ordered: list[tuple[str, str]] = []
    targets = [loop.names(b)[0] for b in range(len(loop.branches))]
    ends = [loop.names(b)[-1] for b in range(len(loop.branches))]
    for b, branch in enumerate(loop.branches):
        names = loop.names(b)
        for k, (name, size) in enumerate(zip(names, branch, strict=True)):
            last = k == len(names) - 1
            reads = "log" if k == 0 or loop.shared else f"to_{name}"
            writes = "log" if last or loop.shared else f"to_{names[k + 1]}"
            ports: dict[str, Any] = {}
            if loop.shared and loop.signals:
                ports = {"emit": f"done_{'end' if last else name}", **({"wait_for": f"done_{names[k - 1]}"} if k else {})}
            elif loop.shared and k:
                ordered.append((names[k - 1], name))
            if last and loop.asks:
                ordered += _asking(nodes, bodies, name, reads, size, ports)
            else:
                nodes.append(node(function_of(name, (reads,), bodies.work(name, size)), output_name=writes, **ports))
    waits = {"wait_for": "done_end"} if loop.signals and not loop.first else {}
    gate = route([*targets, END], default_open=not loop.first, **waits)(function_of("gate", ("log",), bodies.choose))
    ordered += [(end, "gate") for end in ends] if loop.shared and not waits else []
    nodes.append(gate)
    options: dict[str, Any] = {"shared": ["log"], "edges": ordered} if loop.shared else {}
    if loop.named:
        options["entrypoint"] = targets
    return Graph(nodes, name="turns", **options)


def _asking(
    nodes: list[Node], bodies: Bodies, name: str, reads: str, size: int, ports: dict[str, Any]
) -> list[tuple[str, str]]:
    """`name` asks after it was called; what is answered is written by a node behind it."""

    def shown(log: list[str]) -> str:
        bodies.begin(name)
        return str(len(log))

    def keep(log: list[str], said: str) -> list[str]:
        return [*log, *[said] * size]

    wait = {key: value for key, value in ports.items() if key == "wait_for"}
    emit = {key: value for key, value in ports.items() if key == "emit"}
    nodes.append(interrupt(answer_name=f"said_{name}", **wait)(function_of(name, (reads,), shown)))
    kept = function_of(f"keep_{name}", (reads, f"said_{name}"), keep)
    nodes.append(node(kept, output_name="log", **emit))
    return [] if ports else [(name, f"keep_{name}")]
