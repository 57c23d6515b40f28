"""Random graphs whose nodes record that they were called, and the three ways to run them."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from holdwater.errors import GraphConfigError
from holdwater.events import EventProcessor
from holdwater.graphs import END, FunctionNode, Graph, GraphNode, IfElseNode, RouteNode
from holdwater.graphs.nodes.base import Node
from holdwater.runners.graphs import AsyncRunner, RunResult, SyncRunner

INPUTS = ("x0", "x1", "x2")


class NodeError(Exception):
    """What a failing node raises."""


@dataclass
class CallLog:
    """Which nodes were called, and how often, from any thread."""

    names: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, name: str) -> None:
        with self.lock:
            self.names.append(name)

    def take_counts(self) -> Counter[str]:
        with self.lock:
            names, self.names = self.names, []
        return Counter(names)


@dataclass(frozen=True)
class FunctionSpec:
    """`fails`: raises; `slow`: under asyncio, steps aside so many times before it returns."""

    name: str
    reads: tuple[str, ...]
    writes: str
    fails: bool = False
    yield_count: int = 0
    has_default: bool = False


@dataclass(frozen=True)
class GateSpec:
    name: str
    reads: str
    targets: tuple[str, ...]
    multi_target: bool = False


@dataclass(frozen=True)
class NestedSpec:
    """A graph of two nodes, once or per item of what it reads."""

    name: str
    reads: str
    writes: str
    mapped: bool = False
    gated: bool = False
    fails: bool = False
    continue_on_error: bool = False


@dataclass(frozen=True)
class LoopSpec:
    """`count` goes round through `length` nodes until it reaches `limit`."""

    name: str
    reads: str
    length: int
    limit: int


NodeSpec = FunctionSpec | GateSpec | NestedSpec | LoopSpec


def _to_number(value: Any) -> int:
    """Any value of these programs as a number."""
    if isinstance(value, int):
        return value
    if value is None:
        return 7
    return sum((k + 1) * _to_number(one) for k, one in enumerate(value)) % 1009


def make_function(
    name: str, params: tuple[str, ...], implementation: Callable[..., Any], *, default: bool = False
) -> Any:
    """A function with these parameters, as somebody would have written it."""
    last = "=5" if default else ""
    head = ", ".join(params) + (last if params else "")
    env: dict[str, Any] = {"body": implementation}
    exec(f"def {name}({head}):\n    return body({', '.join(params)})", env)
    return env[name]


def _make_async_function(
    name: str, params: tuple[str, ...], implementation: Callable[..., Any], yield_count: int
) -> Any:
    env: dict[str, Any] = {"body": implementation, "sleep": asyncio.sleep}
    head = ", ".join(params)
    exec(
        f"async def {name}({head}):\n    for _ in range({yield_count}):\n        await sleep(0)\n    "
        f"return body({head})",
        env,
    )
    return env[name]


def _make_implementation(calls: CallLog, spec: FunctionSpec) -> Callable[..., Any]:
    salt = sum(map(ord, spec.name))

    def body(*values: Any) -> Any:
        calls.add(spec.name)
        if spec.fails:
            raise NodeError(spec.name)
        return (_to_number(values) * 31 + salt) % 997

    return body


def _make_nodes(calls: CallLog, spec: NodeSpec, use_async: bool) -> list[Node]:
    match spec:
        case FunctionSpec(name, reads, writes):
            body = _make_implementation(calls, spec)
            if use_async and spec.yield_count and not spec.has_default:
                return [FunctionNode(_make_async_function(name, reads, body, spec.yield_count), output_name=writes)]
            return [FunctionNode(make_function(name, reads, body, default=spec.has_default), output_name=writes)]
        case GateSpec(name, reads, targets, multi):

            def choose(value: Any) -> Any:
                calls.add(name)
                k = _to_number(value)
                if multi:
                    return [t for n, t in enumerate(targets) if (k >> n) & 1]
                return targets[k % len(targets)] if len(targets) > 2 else k % 2 == 0

            function = make_function(name, (reads,), choose)
            if len(targets) == 2 and not multi:
                return [IfElseNode(function, targets[0], targets[1])]
            return [RouteNode(function, list(targets), multi_target=multi)]
        case NestedSpec():
            return [_make_nested_node(calls, spec)]
        case LoopSpec():
            return _make_loop(calls, spec)


def _make_nested_node(calls: CallLog, spec: NestedSpec) -> GraphNode:
    item = "item"

    def first(value: Any) -> Any:
        calls.add(f"{spec.name}.first")
        if spec.fails and _to_number(value) % 3 == 0:
            raise NodeError(spec.name)
        return _to_number(value) + 1

    def second(value: Any) -> Any:
        calls.add(f"{spec.name}.second")
        return _to_number(value) * 3 % 991

    nodes: list[Node] = [
        FunctionNode(make_function(f"{spec.name}_first", (item,), first), output_name="half"),
        FunctionNode(make_function(f"{spec.name}_second", ("half",), second), output_name="whole"),
    ]
    if spec.gated:

        def choose(value: Any) -> bool:
            calls.add(f"{spec.name}.gate")
            return _to_number(value) % 2 == 0

        nodes.append(
            FunctionNode(make_function(f"{spec.name}_other", ("half",), lambda value: -1), output_name="other")
        )
        gate = make_function(f"{spec.name}_gate", ("half",), choose)
        nodes.append(IfElseNode(gate, f"{spec.name}_second", f"{spec.name}_other"))
    node = Graph(nodes, name=spec.name).select("whole").as_node()
    if spec.mapped:
        node = node.map_over(item, error_handling="continue" if spec.continue_on_error else "raise")
    return node.rename_inputs(item=spec.reads).rename_outputs(whole=spec.writes)


def _make_loop(calls: CallLog, spec: LoopSpec) -> list[Node]:
    names = [f"{spec.name}_{k}" for k in range(spec.length)]
    count = [f"{spec.name}_count{k}" for k in range(spec.length)]

    def turn(k: int) -> Callable[..., Any]:
        def body(value: Any, *outside: Any) -> Any:
            calls.add(names[k])
            return value + (1 if k == 0 else 0) + (_to_number(outside) % 2 if outside else 0)

        return body

    nodes: list[Node] = []
    for k in range(spec.length):
        reads = (count[k - 1], spec.reads) if k == 0 else (count[k - 1],)
        nodes.append(FunctionNode(make_function(names[k], reads, turn(k)), output_name=count[k]))

    def choose(value: Any) -> Any:
        calls.add(f"{spec.name}_gate")
        return names[0] if value < spec.limit else END

    nodes.append(RouteNode(make_function(f"{spec.name}_gate", (count[-1],), choose), [names[0], END]))
    return nodes


@st.composite
def graph_specs(draw: st.DrawFn) -> tuple[NodeSpec, ...]:
    parts: list[NodeSpec] = []
    names = list(INPUTS)
    lists: list[str] = ["xs"]
    functions: list[str] = []
    for k in range(draw(st.integers(1, 7))):
        kind = draw(st.sampled_from(["fn", "fn", "fn", "inner", "mapped", "loop"]))
        reads = tuple(draw(st.lists(st.sampled_from(names), min_size=0, max_size=3, unique=True)))
        match kind:
            case "fn":
                default = bool(reads) and draw(st.integers(0, 5)) == 0
                fails = draw(st.integers(0, 14)) == 0
                parts.append(FunctionSpec(f"f{k}", reads, f"o{k}", fails, draw(st.integers(0, 3)), default))
                functions.append(f"f{k}")
                names.append(f"o{k}")
            case "inner":
                gated = draw(st.booleans())
                parts.append(NestedSpec(f"g{k}", draw(st.sampled_from(names)), f"o{k}", gated=gated))
                names.append(f"o{k}")
            case "mapped":
                parts.append(
                    NestedSpec(
                        f"g{k}",
                        draw(st.sampled_from(lists)),
                        f"l{k}",
                        mapped=True,
                        gated=draw(st.booleans()),
                        fails=draw(st.integers(0, 3)) == 0,
                        continue_on_error=draw(st.booleans()),
                    )
                )
                lists.append(f"l{k}")
                names.append(f"l{k}")
            case "loop":
                length = draw(st.integers(2, 3))
                parts.append(LoopSpec(f"c{k}", draw(st.sampled_from(names)), length, draw(st.integers(1, 4))))
                names.append(f"c{k}_count{length - 1}")
    if len(functions) > 1 and draw(st.booleans()):
        size = draw(st.integers(2, min(3, len(functions))))
        targets = tuple(draw(st.permutations(functions))[:size])
        parts.insert(0, GateSpec("choose", draw(st.sampled_from(INPUTS)), targets, multi_target=draw(st.booleans())))
    return tuple(draw(st.permutations(parts)))


def build_graph(parts: tuple[NodeSpec, ...], calls: CallLog, *, use_async: bool = False) -> Graph | None:
    """None if these parts are no legal graph."""
    try:
        return Graph([node for part in parts for node in _make_nodes(calls, part, use_async)], name="random")
    except GraphConfigError:
        return None


def make_inputs(graph: Graph) -> dict[str, Any]:
    """Values for what the graph takes from outside, and a start for each loop: at its first node."""
    given: dict[str, Any] = {"x0": 3, "x1": 10, "x2": 4, "xs": [5, 1, 4]}
    starts = {loop[0].rpartition("_")[0] + f"_count{len(loop) - 2}": 0 for loop in graph.loops}
    return {name: given[name] for name in graph.inputs.required if name in given} | starts


class IgnoringProcessor(EventProcessor):
    """Hears everything and does nothing: with it, a run takes the machine."""


@dataclass
class ObservedRun:
    outputs: dict[str, Any]
    error: str | None
    calls: Counter[str]


def _observe(result: RunResult, calls: CallLog) -> ObservedRun:
    return ObservedRun(dict(result), None if result.error is None else repr(result.error), calls.take_counts())


def run_fast_path(graph: Graph, calls: CallLog) -> ObservedRun:
    """As users run it: the short way where there is one."""
    return _observe(SyncRunner().run(graph, make_inputs(graph), error_handling="continue", select=["*"]), calls)


def run_machine(graph: Graph, calls: CallLog) -> ObservedRun:
    runner = SyncRunner(event_processors=[IgnoringProcessor()])
    return _observe(runner.run(graph, make_inputs(graph), error_handling="continue", select=["*"]), calls)


def run_async(graph: Graph, calls: CallLog, *, max_concurrency: int | None = None) -> ObservedRun:
    run = AsyncRunner().run(
        graph, make_inputs(graph), error_handling="continue", select=["*"], max_concurrency=max_concurrency
    )
    return _observe(asyncio.run(run), calls)
