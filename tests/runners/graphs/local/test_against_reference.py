"""Gates and loops of any shape against the small compiler that the kernel's tests prove: same outputs, same calls."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from holdwater.errors import DeadlockError, InfiniteLoopError, MissingInputError
from holdwater.errors import GraphConfigError as Refused
from holdwater.graphs import END, FunctionNode, Graph, RouteNode
from holdwater.graphs.nodes.base import Node
from holdwater.runners.graphs import SyncRunner
from tests.kernel import drivers
from tests.kernel.styles import graphs as reference
from tests.runners.graphs.local.programs import CallLog, make_function
from tests.suite.effort import property_test

MAX_ITERATIONS = 25


@dataclass(frozen=True)
class FunctionSpec:
    name: str
    reads: tuple[str, ...]
    writes: str


@dataclass(frozen=True)
class GateSpec:
    name: str
    reads: tuple[str, ...]
    targets: tuple[str, ...]
    multi_target: bool
    default_open: bool


NodeSpec = FunctionSpec | GateSpec


@st.composite
def graph_specs(draw: st.DrawFn, *, cyclic: bool) -> tuple[NodeSpec, ...]:
    """Nodes that read from each other, forwards only or both ways, under gates, which may stand over gates."""
    count = draw(st.integers(2, 6))
    parts: list[NodeSpec] = []
    for k in range(count):
        made = [f"o{j}" for j in range(count if cyclic else k)]
        names = ["x", *made]
        reads = tuple(draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True)))
        parts.append(FunctionSpec(f"f{k}", reads, f"o{k}"))
    gates = draw(st.integers(1, 3))
    for g in range(gates):
        reads = (draw(st.sampled_from(["x", *[f"o{k}" for k in range(count)]])),)
        others = [f"f{k}" for k in range(count)] + [f"g{h}" for h in range(g + 1, gates)]
        targets = draw(st.lists(st.sampled_from([*others, "END"]), min_size=1, max_size=3, unique=True))
        multi, default_open = draw(st.booleans()), draw(st.integers(0, 4)) > 0
        parts.append(GateSpec(f"g{g}", reads, tuple(targets), multi, default_open))
    return tuple(draw(st.permutations(parts)))


def _compute(spec: FunctionSpec, values: tuple[int, ...]) -> int:
    return (sum((k + 2) * value for k, value in enumerate(values)) + ord(spec.name[-1])) % 101


def _choose(spec: GateSpec, values: tuple[int, ...]) -> Any:
    k = sum(values)
    if spec.multi_target:
        return [t for n, t in enumerate(spec.targets) if (k >> n) & 1]
    return spec.targets[k % len(spec.targets)]


def build_graph(parts: tuple[NodeSpec, ...], calls: CallLog, entrypoint: tuple[str, ...] = ()) -> Graph:
    nodes: list[Node] = []
    for part in parts:
        match part:
            case FunctionSpec():

                def body(*values: int, part: FunctionSpec = part) -> int:
                    calls.add(part.name)
                    return _compute(part, values)

                nodes.append(FunctionNode(make_function(part.name, part.reads, body), output_name=part.writes))
            case GateSpec():

                def decide(*values: int, part: GateSpec = part) -> Any:
                    calls.add(part.name)
                    chosen = _choose(part, values)
                    return [_to_target(t) for t in chosen] if isinstance(chosen, list) else _to_target(chosen)

                nodes.append(
                    RouteNode(
                        make_function(part.name, part.reads, decide),
                        [_to_target(t) for t in part.targets],
                        multi_target=part.multi_target,
                        default_open=part.default_open,
                    )
                )
    return Graph(nodes, entrypoint=entrypoint or None)


def _to_target(target: str) -> str:
    return END if target == "END" else target


def build_reference(
    parts: tuple[NodeSpec, ...], entry: tuple[str, ...], gated_entries: tuple[str, ...], calls: CallLog
) -> Any:
    made: list[reference.Part] = []
    for part in parts:
        match part:
            case FunctionSpec():

                def body(*values: int, part: FunctionSpec = part) -> int:
                    calls.add(part.name)
                    return _compute(part, values)

                made.append(reference.Fn(part.name, body, part.reads, (part.writes,)))
            case GateSpec():

                def choose(*values: int, part: GateSpec = part) -> Any:
                    calls.add(part.name)
                    return _choose(part, values)

                made.append(reference.Gate(part.name, choose, part.targets, part.reads, part.default_open))
    return reference.graph("random", made, entry=entry, led=gated_entries, max_iterations=MAX_ITERATIONS)


def assert_agrees_with_reference(parts: tuple[NodeSpec, ...], entrypoint: tuple[str, ...] = ()) -> None:
    calls = CallLog()
    try:
        graph = build_graph(parts, calls, entrypoint)
    except Refused:
        assume(False)
    given_inputs = {"x": 5, **{name: k + 1 for k, name in enumerate(graph.inputs.required) if name != "x"}}
    used = {name for node in graph.nodes.values() for name in node.inputs}
    given_inputs = {name: value for name, value in given_inputs.items() if name in used}
    runner = SyncRunner()
    try:
        result = runner.run(graph, given_inputs, select=["*"], max_iterations=MAX_ITERATIONS, error_handling="continue")
    except (Refused, MissingInputError):
        assume(False)
    mine = calls.take_counts()
    assume(len(graph.scope(provided=tuple(given_inputs)).active) == len(parts))
    scope = graph.scope(["*"], provided=tuple(given_inputs))
    assume(len(scope.active) == len(parts))
    # Whether a loop is entered at all is for a gate outside of it to say; the reference enters it regardless.
    together = {name: loop for loop in graph.loops for name in loop}
    above = [(gate, name) for name in scope.entrypoints for gate in graph.controlled_by.get(name, ())]
    assume(all(gate in together.get(name, ()) for gate, name in above))
    program = build_reference(parts, scope.entrypoints, scope.gated_entries, calls)
    m = drivers.run_to_end(program, given_inputs)
    assert (m.status == "failed") == isinstance(result.error, InfiniteLoopError | DeadlockError)
    assert mine == calls.take_counts()
    assert dict(result) == program.outputs(m)
    assert Counter({n.name: k for n, k in zip(program.plan.nodes, m.run_counts, strict=True) if k}) == mine


@property_test(graph_specs(cyclic=False), quick_examples=100, long_examples=3000)
def test_gates(parts: tuple[NodeSpec, ...]) -> None:
    assert_agrees_with_reference(parts)


@property_test(graph_specs(cyclic=True), quick_examples=100, long_examples=10000)
def test_loops(parts: tuple[NodeSpec, ...]) -> None:
    assert_agrees_with_reference(parts)


@property_test(graph_specs(cyclic=True), st.integers(0, 35), quick_examples=100, long_examples=5000)
def test_entry_points(parts: tuple[NodeSpec, ...], chosen: int) -> None:
    """One, or two that a gate may have to choose between."""
    names = [part.name for part in parts if isinstance(part, FunctionSpec)]
    assert_agrees_with_reference(
        parts, tuple(dict.fromkeys([names[chosen % 6 % len(names)], names[chosen // 6 % len(names)]]))
    )
