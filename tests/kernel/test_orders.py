"""Small plans, every order there is: each completion, evaluation and timer that could come next does, once."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from holdwater.kernel import Machine
from holdwater.model import events as ev
from holdwater.model.commands import AwaitChildren, Evaluate, Execute
from holdwater.model.events import Event
from holdwater.model.rules import AllOf, ValuePredicate
from tests.kernel.drivers import evaluate_rule, possible_child_events, run_attempt, run_outcome
from tests.kernel.programs import (
    CASES,
    count_peers,
    double_input,
    fail_if_odd,
    flaky,
    raise_error,
    results_or_errors,
    set_values,
)
from tests.kernel.styles.graphs import END, Ask, FanOutNode, Fn, Gate, Interrupt, graph
from tests.kernel.styles.program import FanOutFunctions, Program, Question, Retry
from tests.kernel.styles.tasks import Task, skipped, tasks

LATE = 10**10
"""nothing sleeps"""


def _wide() -> Program:
    peers = [Task(f"p{k}", count_peers(f"k{k}")) for k in range(5)]
    return tasks("wide", [*peers, Task("sum", count_peers("all"), tuple(p.name for p in peers))])


def _ladder() -> Program:
    """Two chains that touch in the middle."""
    return tasks(
        "ladder",
        [
            Task("a1", set_values(x=1)),
            Task("b1", set_values(x=2)),
            Task("a2", count_peers("a2"), ("a1",)),
            Task("b2", count_peers("b2"), ("b1", "a1")),
            Task("a3", count_peers("a3"), ("a2",)),
            Task("b3", count_peers("b3"), ("b2",)),
        ],
    )


def _mixed() -> Program:
    return tasks(
        "mixed",
        [
            Task("lame", flaky(1, x=1), retry=Retry(2, 5.0)),
            Task("dead", raise_error),
            Task("ruled", set_values(y=1), (), ValuePredicate("seed", "greater_than", 0)),
            Task("rescue", set_values(z=1), ("dead", "ruled"), AllOf((ValuePredicate("y", "exists"),))),
            Task("cut", set_values(c=1), ("dead", "lame")),
            Task("last", count_peers("n"), ("cut", "rescue"), skipped("cut")),
        ],
    )


def _turns() -> Program:
    """Two branches in a loop, and a node outside that must wait for its end."""
    return graph(
        "turns",
        [
            Fn("split", lambda n: n + 1, ("n",), ("m",)),
            Fn("one", lambda m: ["one", m], ("m",), ("a",)),
            Fn("two", lambda m: ["two", m], ("m",), ("b",)),
            Fn("join", lambda a, b: a[1] + b[1], ("a", "b"), ("n",)),
            Gate("again", lambda n: "split" if n < 9 else END, ("split", END), ("n",)),
            Fn("beside", lambda x: x, ("x",), ("y",)),
            Fn("after", lambda n, y: [n, y], ("n", "y"), ("z",)),
        ],
        entry=["split"],
    )


def _questions() -> Program:
    return graph(
        "questions",
        [
            Ask("first", "a"),
            Ask("second", "b"),
            Fn("work", lambda x: x, ("x",), ("y",)),
            Fn("use", lambda a, y: [a, y], ("a", "y"), ("u",)),
            Fn("join", lambda u, b: [u, b], ("u", "b"), ("z",)),
        ],
    )


def _two_fan_outs() -> Program:
    """Two fans at once, one of them narrow and with a child that fails, and somebody who asks meanwhile."""
    return graph(
        "families",
        [
            FanOutNode(
                "some",
                FanOutFunctions(lambda x: [{"n": x + k} for k in range(2)], fail_if_odd, results_or_errors, 1, False),
                ("x",),
                "a",
            ),
            FanOutNode("pair", FanOutFunctions(lambda x: [{"n": x}], double_input, results_or_errors), ("x",), "b"),
            Interrupt("who", "c", lambda x: Question(x), ("x",)),
            Fn("join", lambda a, b, c: [a, b, c], ("a", "b", "c"), ("z",)),
        ],
    )


def _possible_events(program: Program, m: Machine) -> Iterator[Event]:
    for c in m.todo.values():
        if isinstance(c, Execute):
            yield run_attempt(program, m, c, LATE)
        elif isinstance(c, Evaluate):
            yield evaluate_rule(program, m, c)
        elif isinstance(c, AwaitChildren):
            yield from possible_child_events(program, m, c, allow_pauses=True)
        else:
            yield ev.TimerFired(c.node)
    for i, node in enumerate(program.plan.nodes):
        if node.kind in ("ask", "interrupt"):
            e = ev.InputProvided(i, (f"to {node.name}",))
            if m.accepts(e):  # asked or not: an answer may be early
                yield e


def _every_order(program: Program, inputs: dict[str, object]) -> tuple[set[str], int]:
    """The outcomes of all orders, and how many distinct moments lie on the way."""
    start = Machine(program.compiled_plan)
    start.apply(ev.Started(inputs))
    outcomes: set[str] = set()
    seen: set[str] = set()
    stack = [start]
    while stack:
        m = stack.pop()
        moment = repr({k: v for k, v in m.snapshot().items() if k not in ("version", "write_count")}) + repr(
            _write_order(m)
        )
        if moment in seen:
            continue
        seen.add(moment)
        events = list(_possible_events(program, m))
        if not events:
            outcomes.add(json.dumps(run_outcome(program, m)))
        for e in events:
            later = Machine.restore(program.compiled_plan, m.snapshot())
            later.apply(e)
            stack.append(later)
    return outcomes, len(seen)


def _write_order(m: Machine) -> list[int]:
    """Which cell was written before which: all that a stamp says, and the same for every order."""
    order = sorted(range(len(m.versions)), key=m.versions.__getitem__)
    return [c for c in order if m.versions[c]]


@pytest.mark.parametrize(
    ("program", "inputs", "moments"),
    [
        (_wide(), {"given": {}}, 2**5 + 1),
        (_ladder(), {"given": {}}, 16),
        (_mixed(), {"given": {"seed": 1}}, 40),
        (_mixed(), {"given": {"seed": 0}}, 30),
        (_turns(), {"n": 0, "x": 7}, 20),
        (_questions(), {"x": 1}, 11),
        (_two_fan_outs(), {"x": 2}, 100),
        (CASES["graphs: fans in a loop"].program, {"n": 0}, 30),
        (CASES["steps: map"].program, {"given": 3}, 15),
    ],
    ids=["wide", "ladder", "mixed, high", "mixed, low", "turns", "questions", "families", "fans in a loop", "steps"],
)
def test_every_order_has_one_outcome(program: Program, inputs: dict[str, object], moments: int) -> None:
    outcomes, seen = _every_order(program, inputs)
    assert len(outcomes) == 1
    assert '"running"' not in outcomes.pop()
    assert seen >= moments
