"""Random graphs whose nodes record that they were called, and the three ways to run them."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from holdwater.events import EventProcessor
from holdwater.graphs import END, FunctionNode, Graph, GraphConfigError, GraphNode, IfElseNode, RouteNode
from holdwater.graphs.nodes.base import Node
from holdwater.runners.graphs import AsyncRunner, RunResult, SyncRunner

INPUTS = ("x0", "x1", "x2")


class Boom(Exception):
    """What a failing node raises."""


@dataclass
class Calls:
    """Which nodes were called, and how often, from any thread."""

    names: list[str] = field(default_factory=list)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def add(self, name: str) -> None:
        with self.guard:
            self.names.append(name)

    def take(self) -> Counter[str]:
        with self.guard:
            names, self.names = self.names, []
        return Counter(names)


@dataclass(frozen=True)
class Fn:
    """`fails`: raises; `slow`: under asyncio, steps aside so many times before it returns."""

    name: str
    reads: tuple[str, ...]
    writes: str
    fails: bool = False
    slow: int = 0
    default: bool = False


@dataclass(frozen=True)
class Gate:
    name: str
    reads: str
    targets: tuple[str, ...]
    multi: bool = False


@dataclass(frozen=True)
class Inner:
    """A graph of two nodes, once or per item of what it reads."""

    name: str
    reads: str
    writes: str
    mapped: bool = False
    gated: bool = False
    fails: bool = False
    keep_going: bool = False


@dataclass(frozen=True)
class Loop:
    """`count` goes round through `length` nodes until it reaches `limit`."""

    name: str
    reads: str
    length: int
    limit: int


Part = Fn | Gate | Inner | Loop


def _weigh(value: Any) -> int:
    """Any value of these programs as a number."""
    if isinstance(value, int):
        return value
    if value is None:
        return 7
    return sum((k + 1) * _weigh(one) for k, one in enumerate(value)) % 1009


def function_of(name: str, params: tuple[str, ...], body: Callable[..., Any], *, default: bool = False) -> Any:
    """A function with these parameters, as somebody would have written it."""
    last = "=5" if default else ""
    head = ", ".join(params) + (last if params else "")
    env: dict[str, Any] = {"body": body}
    exec(f"def {name}({head}):\n    return body({', '.join(params)})", env)
    return env[name]


def _async_function(name: str, params: tuple[str, ...], body: Callable[..., Any], slow: int) -> Any:
    env: dict[str, Any] = {"body": body, "sleep": asyncio.sleep}
    head = ", ".join(params)
    exec(
        f"async def {name}({head}):\n    for _ in range({slow}):\n        await sleep(0)\n    return body({head})", env
    )
    return env[name]


def _body(calls: Calls, part: Fn) -> Callable[..., Any]:
    salt = sum(map(ord, part.name))

    def body(*values: Any) -> Any:
        calls.add(part.name)
        if part.fails:
            raise Boom(part.name)
        return (_weigh(values) * 31 + salt) % 997

    return body


def _made(calls: Calls, part: Part, awaited: bool) -> list[Node]:
    match part:
        case Fn(name, reads, writes):
            body = _body(calls, part)
            if awaited and part.slow and not part.default:
                return [FunctionNode(_async_function(name, reads, body, part.slow), output_name=writes)]
            return [FunctionNode(function_of(name, reads, body, default=part.default), output_name=writes)]
        case Gate(name, reads, targets, multi):

            def choose(value: Any) -> Any:
                calls.add(name)
                k = _weigh(value)
                if multi:
                    return [t for n, t in enumerate(targets) if (k >> n) & 1]
                return targets[k % len(targets)] if len(targets) > 2 else k % 2 == 0

            function = function_of(name, (reads,), choose)
            if len(targets) == 2 and not multi:
                return [IfElseNode(function, targets[0], targets[1])]
            return [RouteNode(function, list(targets), multi_target=multi)]
        case Inner():
            return [_nested(calls, part)]
        case Loop():
            return _loop(calls, part)


def _nested(calls: Calls, part: Inner) -> GraphNode:
    item = "item"

    def first(value: Any) -> Any:
        calls.add(f"{part.name}.first")
        if part.fails and _weigh(value) % 3 == 0:
            raise Boom(part.name)
        return _weigh(value) + 1

    def second(value: Any) -> Any:
        calls.add(f"{part.name}.second")
        return _weigh(value) * 3 % 991

    nodes: list[Node] = [
        FunctionNode(function_of(f"{part.name}_first", (item,), first), output_name="half"),
        FunctionNode(function_of(f"{part.name}_second", ("half",), second), output_name="whole"),
    ]
    if part.gated:

        def choose(value: Any) -> bool:
            calls.add(f"{part.name}.gate")
            return _weigh(value) % 2 == 0

        nodes.append(FunctionNode(function_of(f"{part.name}_other", ("half",), lambda value: -1), output_name="other"))
        gate = function_of(f"{part.name}_gate", ("half",), choose)
        nodes.append(IfElseNode(gate, f"{part.name}_second", f"{part.name}_other"))
    node = Graph(nodes, name=part.name).select("whole").as_node()
    if part.mapped:
        node = node.map_over(item, error_handling="continue" if part.keep_going else "raise")
    return node.rename_inputs(item=part.reads).rename_outputs(whole=part.writes)


def _loop(calls: Calls, part: Loop) -> list[Node]:
    names = [f"{part.name}_{k}" for k in range(part.length)]
    count = [f"{part.name}_count{k}" for k in range(part.length)]

    def turn(k: int) -> Callable[..., Any]:
        def body(value: Any, *outside: Any) -> Any:
            calls.add(names[k])
            return value + (1 if k == 0 else 0) + (_weigh(outside) % 2 if outside else 0)

        return body

    nodes: list[Node] = []
    for k in range(part.length):
        reads = (count[k - 1], part.reads) if k == 0 else (count[k - 1],)
        nodes.append(FunctionNode(function_of(names[k], reads, turn(k)), output_name=count[k]))

    def choose(value: Any) -> Any:
        calls.add(f"{part.name}_gate")
        return names[0] if value < part.limit else END

    nodes.append(RouteNode(function_of(f"{part.name}_gate", (count[-1],), choose), [names[0], END]))
    return nodes


@st.composite
def programs(draw: st.DrawFn) -> tuple[Part, ...]:
    parts: list[Part] = []
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
                parts.append(Fn(f"f{k}", reads, f"o{k}", fails, draw(st.integers(0, 3)), default))
                functions.append(f"f{k}")
                names.append(f"o{k}")
            case "inner":
                gated = draw(st.booleans())
                parts.append(Inner(f"g{k}", draw(st.sampled_from(names)), f"o{k}", gated=gated))
                names.append(f"o{k}")
            case "mapped":
                parts.append(
                    Inner(
                        f"g{k}",
                        draw(st.sampled_from(lists)),
                        f"l{k}",
                        mapped=True,
                        gated=draw(st.booleans()),
                        fails=draw(st.integers(0, 3)) == 0,
                        keep_going=draw(st.booleans()),
                    )
                )
                lists.append(f"l{k}")
                names.append(f"l{k}")
            case "loop":
                length = draw(st.integers(2, 3))
                parts.append(Loop(f"c{k}", draw(st.sampled_from(names)), length, draw(st.integers(1, 4))))
                names.append(f"c{k}_count{length - 1}")
    if len(functions) > 1 and draw(st.booleans()):
        size = draw(st.integers(2, min(3, len(functions))))
        targets = tuple(draw(st.permutations(functions))[:size])
        parts.insert(0, Gate("choose", draw(st.sampled_from(INPUTS)), targets, multi=draw(st.booleans())))
    return tuple(draw(st.permutations(parts)))


def built(parts: tuple[Part, ...], calls: Calls, *, awaited: bool = False) -> Graph | None:
    """None if these parts are no legal graph."""
    try:
        return Graph([node for part in parts for node in _made(calls, part, awaited)], name="random")
    except GraphConfigError:
        return None


def inputs_of(graph: Graph) -> dict[str, Any]:
    """Values for what the graph takes from outside, and a start for each loop: at its first node."""
    given: dict[str, Any] = {"x0": 3, "x1": 10, "x2": 4, "xs": [5, 1, 4]}
    starts = {loop[0].rpartition("_")[0] + f"_count{len(loop) - 2}": 0 for loop in graph.loops}
    return {name: given[name] for name in graph.inputs.required if name in given} | starts


class Silence(EventProcessor):
    """Hears everything and does nothing: with it, a run takes the machine."""


@dataclass
class Outcome:
    outputs: dict[str, Any]
    error: str | None
    calls: Counter[str]


def _outcome(result: RunResult, calls: Calls) -> Outcome:
    return Outcome(dict(result), None if result.error is None else repr(result.error), calls.take())


def straight(graph: Graph, calls: Calls) -> Outcome:
    """As users run it: the short way where there is one."""
    return _outcome(SyncRunner().run(graph, inputs_of(graph), error_handling="continue", select=["*"]), calls)


def by_machine(graph: Graph, calls: Calls) -> Outcome:
    runner = SyncRunner(event_processors=[Silence()])
    return _outcome(runner.run(graph, inputs_of(graph), error_handling="continue", select=["*"]), calls)


def concurrent(graph: Graph, calls: Calls, *, max_concurrency: int | None = None) -> Outcome:
    run = AsyncRunner().run(
        graph, inputs_of(graph), error_handling="continue", select=["*"], max_concurrency=max_concurrency
    )
    return _outcome(asyncio.run(run), calls)
