"""Steps: a sequence with jumps.  Whoever jumps says which steps are passed over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from holdwater.kernel import Machine
from holdwater.model.fanout import ChildRunsRequest
from holdwater.model.plan import NodeKind, OnError, Plan, PlanNode
from tests.kernel.styles.program import ONCE, Defer, FanOutFunctions, NodeCall, NodeFunction, NodeOutput, Program, Retry

View = dict[str, Any]
GIVEN = "given"


@dataclass(frozen=True)
class Step:
    """`body` returns its output, a Jump, or Later."""

    name: str
    function: Callable[[View, NodeCall], Any]
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
class Map:
    name: str
    children: FanOutFunctions
    on_error: OnError = "stop"
    retry: Retry = ONCE


@dataclass(frozen=True)
class Jump:
    """Returned by a step: its output, and where to go on ("": nowhere)."""

    output: Any
    next_step: str


AnyStep = Step | Choice | Wait | Map
_KINDS: dict[type, NodeKind] = {Step: "call", Choice: "call", Wait: "wait", Map: "fan_out"}


def steps(name: str, sequence: Sequence[AnyStep], *, start: str = "") -> Program:
    """`start`: the first step that runs."""
    names = [s.name for s in sequence]
    nodes = [
        PlanNode(
            s.name,
            kind=_KINDS[type(s)],
            after=tuple(names[k - 1 : k]) if k else (),
            writes=(s.name,),
            on_error=s.on_error if isinstance(s, Step | Map) else "stop",
            wait_seconds=s.seconds if isinstance(s, Wait) else 0.0,
        )
        for k, s in enumerate(sequence)
    ]
    return Program(
        Plan(name, tuple(nodes), style="steps", inputs=(GIVEN,), sequence=True),
        tuple(_node_function(s, [*names[k + 1 :], ""]) for k, s in enumerate(sequence)),
        view=_step_view,
        outputs=lambda m: _step_view(m, len(m.node_states))["out"],
        retries={s.name: s.retry for s in sequence if isinstance(s, Step | Map)},
        children={s.name: s.children.run_child for s in sequence if isinstance(s, Map)},
        skipped_ranges=(names[0], start) if start else (),
    )


def _node_function(step: AnyStep, rest: Sequence[str]) -> NodeFunction | None:
    """`rest`: the names of the steps that follow."""
    match step:
        case Wait():
            return None
        case Choice():
            return lambda c: NodeOutput((step.condition(c.view),), _skipped_ranges(step, step.condition(c.view), rest))
        case Map():

            def fan(c: NodeCall) -> NodeOutput | ChildRunsRequest:
                made = step.children.run(c, c.view)
                return made if isinstance(made, ChildRunsRequest) else NodeOutput((made,))

            return fan
        case Step():

            def call(c: NodeCall) -> NodeOutput | Defer:
                result = step.function(c.view, c)
                if isinstance(result, Defer):
                    return result
                if isinstance(result, Jump):
                    return NodeOutput((result.output,), (rest[0], result.next_step))
                return NodeOutput((result,))

            return call


def _skipped_ranges(choice: Choice, verdict: bool, rest: Sequence[str]) -> tuple[str, ...]:
    if choice.otherwise is None:
        return () if verdict else (choice.then, rest[rest.index(choice.then) + 1])
    goal = choice.then if verdict else choice.otherwise
    first, second = sorted((choice.then, choice.otherwise), key=rest.index)
    apart = (second, choice.join) if choice.join is not None and goal == first else ()
    return (rest[0], goal, *apart)


def _step_view(m: Machine, i: int) -> View:
    cell, nodes = m.compiled_plan.cell_index, m.compiled_plan.plan.nodes[:i]
    written = [(n.name, cell[n.name]) for n in nodes]
    return {"given": m.values[cell[GIVEN]], "out": {name: m.values[c] for name, c in written if m.versions[c]}}
