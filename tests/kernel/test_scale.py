"""Big plans: no recursion, and work that grows with the number of edges.  Operations are counted, not seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import pytest

from holdwater.kernel import Machine, compile_plan
from holdwater.model import events as ev
from holdwater.model.plan import Plan, PlanNode, Read
from holdwater.model.rules import After, AllOf, AnyOf, GateOpen
from tests.kernel.journal import encode, fold, is_same_state

RING = 150


def _complete_all(m: Machine, decision: Callable[[int], tuple[str, ...] | None] = lambda i: None) -> Machine:
    """Everything succeeds, one at a time, in the order of issue."""
    while m.todo:
        i = next(iter(m.todo))
        m.apply(ev.Succeeded(i, m.fences[i], tuple(i for _ in m.compiled_plan.write_cells[i]), decision(i)))
    return m


def _start(plan: Plan, **inputs: Any) -> Machine:
    m = Machine(compile_plan(plan))
    m.apply(ev.Started(inputs))
    return m


def _chain(n: int) -> Plan:
    def link(i: int) -> PlanNode:
        return PlanNode(f"n{i}", ready=After(f"n{i - 1}"), reads=(Read("x", (f"v{i - 1}",)),), writes=(f"v{i}",))

    return Plan("chain", (PlanNode("n0", writes=("v0",)), *map(link, range(1, n))))


def _fan_in(n: int) -> Plan:
    wide = [PlanNode(f"n{i}", writes=(f"v{i}",)) for i in range(n)]
    names = tuple(w.name for w in wide)
    join = PlanNode("join", after=names, ready=AllOf(tuple(map(After, names))))
    return Plan("fan in", (*wide, join))


def _gates(n: int) -> Plan:
    """Each gate opens the next; the last one opens `f`."""
    names = [f"g{i}" for i in range(n)] + ["f"]
    nodes = []
    for i, name in enumerate(names):
        above = names[i - 1 : i] if i else []
        nodes.append(
            PlanNode(
                name,
                ready=AnyOf(tuple(GateOpen(g, name) for g in above)) if above else None,
                gates=tuple(above),
                targets=(names[i + 1], "END") if i < n else (),
            )
        )
    return Plan("gates", tuple(nodes))


def _gates_in_loop(n: int) -> Plan:
    """The same gates inside one loop: `f` leads back to the first of them."""
    *gates, last = _gates(n).nodes
    first = PlanNode(gates[0].name, reads=(Read("x", ("x", "f/x")),), targets=gates[0].targets)
    last = PlanNode(last.name, ready=last.ready, gates=last.gates, writes=("f/x",))
    return Plan("ring", (first, *gates[1:], last), inputs=("x",))


def _count_lines_run(work: Callable[[], object]) -> int:
    """Lines run, each as often as a loop comes back to it; tracing of bytecodes begins late on 3.12 and 3.13."""
    count = 0

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def test_a_chain_of_ten_thousand() -> None:
    m = _complete_all(_start(_chain(10_000)))
    assert m.status == "completed"
    assert sum(m.run_counts) == 10_000


def test_a_chain_that_is_cut_at_its_head() -> None:
    plan = _chain(10_000)
    nodes = tuple(
        PlanNode(n.name, ready=n.ready, outcome_if_not_run="upstream_failed", writes=n.writes, on_error="fail")
        for n in plan.nodes
    )
    m = _start(Plan("cut", nodes))
    m.apply(ev.Failed(0, 1, "E", "e"))
    assert m.status == "failed"
    assert m.node_states == ["failed"] + ["upstream_failed"] * 9_999


def test_a_journal_of_ten_thousand_folds() -> None:
    compiled_plan = compile_plan(_chain(10_000))
    journal = [encode(ev.Started({})), *(encode(ev.Succeeded(i, 1, (i,))) for i in range(10_000))]
    m = fold(compiled_plan, journal[:5_001])
    assert m.todo.keys() == {5_000}
    assert is_same_state(
        _complete_all(m),
        fold(compiled_plan, journal[:5_001] + [encode(ev.Succeeded(i, 1, (i,))) for i in range(5_000, 10_000)]),
    )


@pytest.mark.parametrize("verdict", ["END", "g1"])
def test_three_thousand_chained_gates(verdict: str) -> None:
    """Cut off at the top nobody runs; let in at the top they all do."""
    names = [*(f"g{i}" for i in range(3_000)), "f"]
    m = _complete_all(
        _start(_gates(3_000)),
        lambda i: None if i == 3_000 else (verdict,) if i == 0 else (names[i + 1],),
    )
    assert m.status == "completed"
    assert sum(m.run_counts) == (1 if verdict == "END" else 3_001)
    assert set(m.node_states[1:]) == ({"skipped"} if verdict == "END" else {"succeeded"})


@pytest.mark.parametrize("verdict", ["END", "g1"])
def test_gates_in_a_ring(verdict: str) -> None:
    names = [*(f"g{i}" for i in range(RING)), "f", "END"]
    m = _start(_gates_in_loop(RING), x=0)
    assert len(m.compiled_plan.unit_members) == 1
    turns = 0

    def decide(i: int) -> tuple[str, ...] | None:
        nonlocal turns
        if i == RING:
            return None
        turns += i == 0
        return ((verdict,) if turns == 1 else ("END",)) if i == 0 else (names[i + 1],)

    _complete_all(m, decide)
    assert m.run_counts[1] == (0 if verdict == "END" else 1)


def test_fan_in_is_linear() -> None:
    """One completion at a time: each costs the same, however many are still to come."""

    def cost(n: int) -> int:
        plan = _fan_in(n)
        m = _start(plan)
        spent = _count_lines_run(lambda: _complete_all(m))
        assert m.status == "completed"
        assert m.run_counts[-1] == 1
        return spent

    small, big = cost(500), cost(4_000)
    assert big < 1.1 * 8 * small


def test_the_join_is_tested_once() -> None:
    class Counting(list[str]):
        looked = 0

        def __getitem__(self, i: Any) -> Any:
            Counting.looked += 1
            return super().__getitem__(i)

    m = _start(_fan_in(4_000))
    m.node_states = Counting(m.node_states)
    _complete_all(m)
    assert Counting.looked <= 2 * 4_000


def test_compiling_is_linear() -> None:
    for shape in (_chain, _fan_in, _gates):
        small, big = shape(250), shape(2_000)
        less, more = (_count_lines_run(partial(compile_plan, plan)) for plan in (small, big))
        assert more < 1.3 * 8 * less, shape.__name__


def test_a_turn_of_a_loop_costs_the_same_however_many_went_before() -> None:
    plan = Plan(
        "spin",
        (
            PlanNode("inc", reads=(Read("n", ("n",)),), writes=("n",), gates=("g",), ready=GateOpen("g", "inc")),
            PlanNode("g", reads=(Read("n", ("n",)),), targets=("inc", "END")),
        ),
        inputs=("n",),
        max_iterations=10**9,
    )

    def cost(turns: int) -> int:
        m = _start(plan, n=0)
        return _count_lines_run(
            lambda: _complete_all(m, lambda i: None if i == 0 else ("inc",) if m.run_counts[0] < turns else ("END",))
        )

    assert cost(800) < 1.1 * 8 * cost(100)
