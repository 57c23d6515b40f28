"""The machine held to its transition tables: every event in every state, on random walks through every kind of plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random
from typing import Any, get_args

from holdwater.kernel import CompiledPlan, Machine, compile_plan
from holdwater.kernel.states import (
    DERIVED_TRANSITIONS,
    HALTING,
    NODE_TRANSITIONS,
    OUTSTANDING_COMMAND,
    RUN_TRANSITIONS,
    Phase,
)
from holdwater.model import events as ev
from holdwater.model.events import Event
from holdwater.model.plan import NodeKind, Plan, PlanNode, Read
from holdwater.model.rules import After, AllOf, ValuePredicate
from holdwater.model.time import Micros
from tests.kernel.programs import CASES

WALKS = 8
LONG_WALKS = 80
STEPS = 60
DISTURBANCES = (
    ev.Resumed, ev.CancelRequested, ev.TimedOut, ev.Paused, ev.InputProvided, ev.AttemptLost, ev.InputsOverridden,
)  # fmt: skip
"""events that are applied less often, or no walk would come far"""

Step = tuple[type[Event], str, str]


class RecordedStates(list[str]):
    """States of nodes that keep every assignment as (node, old, new)."""

    def __init__(self, states: list[str]) -> None:
        super().__init__(states)
        self.changes: list[tuple[int, str, str]] = []

    def __setitem__(self, i: Any, state: Any) -> None:
        self.changes.append((i, self[i], state))
        super().__setitem__(i, state)


def every_kind_behind_a_value_rule() -> CompiledPlan:
    """Nodes of all kinds after a predicate on a value, and one that cannot run without an input that is optional."""
    value, optional = ValuePredicate("x", "exists"), Read("x", ("x",), optional=True)
    kinds: tuple[NodeKind, ...] = ("call", "ask", "wait", "interrupt", "fan_out")
    nodes = [PlanNode("first", writes=("first",))]
    for kind in kinds:
        rule = AllOf((After("first"), value))
        nodes.append(
            PlanNode(kind, kind, after=("first",), ready=rule, reads=(optional,), writes=(kind,), on_error="fail")
        )
    nodes.append(PlanNode("strict", after=("call",), ready=value, outcome_if_not_run="upstream_failed"))
    nodes.append(PlanNode("reader", reads=(Read("x", ("x",)),), after=("first",)))
    return compile_plan(Plan("kinds", tuple(nodes), style="tasks", inputs=("x",)))


def sequence_that_goes_on_after_failures() -> CompiledPlan:
    nodes = (PlanNode("a", on_error="fail"), *(PlanNode(n, after=(p,), on_error="fail") for p, n in ("ab", "bc")))
    return compile_plan(Plan("sequence", nodes, style="steps", sequence=True))


OWN_PLANS: dict[str, tuple[CompiledPlan, Mapping[str, Any]]] = {
    "every kind": (every_kind_behind_a_value_rule(), {"x": 1}),
    "sequence": (sequence_that_goes_on_after_failures(), {}),
    "no node": (compile_plan(Plan("none", ())), {}),
}


def phase(m: Machine) -> Phase:
    return HALTING if m.halted and not m.ended else m.status


def run_events(m: Machine, inputs: Mapping[str, Any], random: Random) -> Iterator[Event]:
    plan = m.compiled_plan.plan
    yield from (ev.Started(dict(inputs)), ev.Started({}), ev.Paused(), ev.CancelRequested(), ev.TimedOut("late"))
    yield ev.Resumed()
    if plan.inputs:
        yield ev.Resumed(inputs={random.choice(plan.inputs): 1})
    if plan.sequence:
        yield ev.Resumed(start_node=random.randrange(len(plan.nodes)))
        yield ev.Started(dict(inputs), (plan.nodes[0].name, ""))


def node_events(m: Machine, i: int, random: Random) -> Iterator[Event]:
    node, fence, fan = m.compiled_plan.plan.nodes[i], m.fences[i], m.fan_outs.get(i)
    values = (0,) * len(node.writes)
    yield ev.Succeeded(i, fence, values, (random.choice(node.targets),) if node.targets else None)
    yield ev.Failed(i, fence, "ERROR", "E: failed")
    yield ev.Failed(i, fence, "ERROR", "E: failed", Micros(0))
    yield ev.Failed(i, fence, "ERROR", "E: failed", Micros(99))
    yield from (ev.AttemptLost(i, fence), ev.Cancelled(i, fence), ev.Deferred(i, fence, Micros(5)))
    yield ev.InputRequested(i, fence, None)
    yield ev.ChildRunsRequested(i, fence, ({},) * random.randrange(3), random.choice([None, 1]), random.random() < 0.5)
    for status in ("running", "paused", "completed", "failed", "cancelled"):
        yield ev.ChildStatusChanged(i, fan.generation if fan else fence, random.randrange(2), status)
    yield ev.RuleEvaluated(i, tuple(random.random() < 0.5 for _ in m.compiled_plan.value_predicates[i]))
    yield from (ev.TimerSet(i, Micros(7)), ev.TimerFired(i), ev.InputsOverridden(i, {}))
    yield from (ev.InputProvided(i, values), ev.InputProvided(i, values, fence))


def walk(plan: CompiledPlan, inputs: Mapping[str, Any], random: Random) -> Iterator[tuple[Machine, Event]]:
    """A machine before each event, and the event it accepts; the caller applies it.

    Every event of every node is offered in every state: one that is accepted has to be in the tables.
    """
    m = Machine(plan)
    for _ in range(STEPS):
        offered = list(run_events(m, inputs, random))
        for i in range(len(plan.plan.nodes)):
            offered += node_events(m, i, random)
        accepted = [e for e in offered if m.accepts(e)]
        for e in accepted:
            assert phase(m) in RUN_TRANSITIONS[type(e)], (e, phase(m))
            assert type(e) not in NODE_TRANSITIONS or m.node_states[e.node] in NODE_TRANSITIONS[type(e)], e  # type: ignore[union-attr]
        if not accepted:
            return
        progress = [e for e in accepted if not isinstance(e, DISTURBANCES)]
        yield m, random.choice(progress if progress and random.random() < 0.8 else accepted)


class Observed:
    """Transitions of all walks, as triples like those of the tables."""

    def __init__(self) -> None:
        self.of_runs: set[Step] = set()
        self.of_nodes: set[Step] = set()
        self.derived: set[tuple[bool, str, str]] = set()
        """by Resumed or not, old, new"""

    def walk(self, name: str, plan: CompiledPlan, inputs: Mapping[str, Any], walks: int) -> None:
        for number in range(walks):
            for m, event in walk(plan, inputs, Random(f"{name} {number}")):
                self._apply(m, event)

    def _apply(self, m: Machine, event: Event) -> None:
        before, kind = phase(m), type(event)
        states = m.node_states = RecordedStates(m.node_states)
        m.apply(event)
        m.node_states = list(states)
        self.of_runs.add((kind, before, phase(m)))
        changes = states.changes
        if kind in NODE_TRANSITIONS:
            i: int = event.node  # type: ignore[union-attr]
            own = next((k for k, (j, _, _) in enumerate(changes) if j == i), None)
            if own is None:  # the event leaves the state as it is
                self.of_nodes.add((kind, m.node_states[i], m.node_states[i]))
            else:
                _, old, new = changes.pop(own)
                self.of_nodes.add((kind, old, new))
        self.derived.update([(kind is ev.Resumed, old, new) for _, old, new in changes])
        for i, state in enumerate(m.node_states):
            assert type(m.todo.get(i)) is OUTSTANDING_COMMAND.get(state, type(None)), (event, i, state)


def rows(table: Mapping[Any, Mapping[Any, tuple[str, ...]]]) -> set[tuple[Any, str, str]]:
    return {(key, old, new) for key, row in table.items() for old, states in row.items() for new in states}


def test_the_tables_are_true() -> None:
    observed = Observed()
    for name, (plan, inputs) in OWN_PLANS.items():
        observed.walk(name, plan, inputs, LONG_WALKS)
    for name, case in CASES.items():
        observed.walk(name, case.program.compiled_plan, case.inputs, WALKS)
    assert observed.of_nodes == rows(NODE_TRANSITIONS)
    check_derived_transitions(observed)
    check_runs(observed)


def check_derived_transitions(observed: Observed) -> None:
    by_resuming = ("the run is resumed", "what it depends on is done anew")
    always = {(old, new) for cause, old, new in rows(DERIVED_TRANSITIONS) if cause not in by_resuming}
    assert {(old, new) for resumed, old, new in observed.derived if not resumed} == always
    assert {(old, new) for _, old, new in observed.derived} == {pair[1:] for pair in rows(DERIVED_TRANSITIONS)}


def check_runs(observed: Observed) -> None:
    """Each event in each phase; events with equal targets are held to them together."""
    assert observed.of_runs <= rows(RUN_TRANSITIONS)
    assert {step[:2] for step in observed.of_runs} == {step[:2] for step in rows(RUN_TRANSITIONS)}
    reached: dict[tuple[str, ...], set[str]] = {}
    for event, old, new in observed.of_runs:
        reached.setdefault(RUN_TRANSITIONS[event][old], set()).add(new)  # type: ignore[index]
    assert {targets: set(targets) for targets in reached} == reached


def test_every_event_is_in_the_tables() -> None:
    events = set(get_args(Event))
    assert set(RUN_TRANSITIONS) == events
    assert set(NODE_TRANSITIONS) == {event for event in events if "node" in event.__slots__}
