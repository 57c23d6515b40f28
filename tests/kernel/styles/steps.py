"""Steps: a sequence with jumps.  A jump moves a cursor; a step runs unless the cursor has passed it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.kernel import Machine
from penstock.model.plan import Node, OnError, Plan
from penstock.model.rules import MISSING, AllOf, Rule, Value

from .program import ONCE, Body, Call, Done, Program, Retry

View = dict[str, Any]
GIVEN, CURSOR = "given", "cursor"


@dataclass(frozen=True)
class Step:
    name: str
    body: Callable[[View, Call], Any]
    on_error: OnError = "stop"
    retry: Retry = ONCE


@dataclass(frozen=True)
class Choice:
    """`join`: where the branches meet; without it the first branch falls into the second."""

    name: str
    condition: Callable[[View], bool]
    then: str
    otherwise: str | None = None
    join: str | None = None


@dataclass(frozen=True)
class Wait:
    name: str
    seconds: float


@dataclass(frozen=True)
class Jump:
    """Returned by a step: its output, and where to go on."""

    output: Any
    next_step: str


def steps(name: str, sequence: Sequence[Step | Choice | Wait]) -> Program:
    position = {s.name: k for k, s in enumerate(sequence, 1)}
    rules: dict[str, list[Rule]] = {n: [Value(CURSOR, "less_or_equal", k)] for n, k in position.items()}
    for s in sequence:
        if isinstance(s, Choice):
            _add_branches(s, position, rules)
    nodes, bodies, before = [], [], ""
    for s in sequence:
        wait = isinstance(s, Wait)
        nodes.append(
            Node(
                s.name,
                kind="wait" if wait else "call",
                after=(before,) if before else (),
                ready=AllOf(tuple(rules[s.name])),
                writes=(f"out.{s.name}",) if wait else (f"out.{s.name}", CURSOR),
                on_error=s.on_error if isinstance(s, Step) else "stop",
                wait_s=s.seconds if isinstance(s, Wait) else 0.0,
            )
        )
        bodies.append(_body(s, position))
        before = s.name
    return Program(
        Plan(name, tuple(nodes), style="steps", inputs=(GIVEN,)),
        tuple(bodies),
        view=_view,
        outputs=lambda m: _view(m, len(m.state))["out"],
        lookup=_lookup,
        retries={s.name: s.retry for s in sequence if isinstance(s, Step)},
    )


def _add_branches(choice: Choice, position: dict[str, int], rules: dict[str, list[Rule]]) -> None:
    chose = f"out.{choice.name}"
    if choice.otherwise is None:
        rules[choice.then].append(Value(chose, "not_equals", "none"))
    elif choice.join is not None:  # who ran the first branch must not fall into the second
        first, second = sorted((choice.then, choice.otherwise), key=position.__getitem__)
        for n, k in position.items():
            if position[second] <= k < position[choice.join]:
                rules[n].append(Value(chose, "not_equals", first))


def _body(step: Step | Choice | Wait, position: dict[str, int]) -> Body | None:
    match step:
        case Wait():
            return None
        case Choice():

            def choose(c: Call) -> Done:
                goal = step.then if step.condition(c.view) else step.otherwise
                return Done((goal, position[goal])) if goal else Done(("none",))

            return choose
        case Step():

            def call(c: Call) -> Done:
                result = step.body(c.view, c)
                if isinstance(result, Jump):
                    return Done((result.output, position[result.next_step]))
                return Done((result,))

            return call


def _view(m: Machine, i: int) -> View:
    cell, nodes = m.layout.cell, m.layout.plan.nodes[:i]
    written = [(n.name, cell[f"out.{n.name}"]) for n in nodes]
    return {"given": m.value[cell[GIVEN]], "out": {name: m.value[c] for name, c in written if m.stamp[c]}}


def _lookup(m: Machine, i: int, name: str) -> Any:
    c = m.layout.cell.get(name)
    if c is not None and m.stamp[c]:
        return m.value[c]
    return 0 if name == CURSOR else MISSING
