# mypy: ignore-errors
"""What the page of seed 003 shows, written for the library "hypergraph": every call that its signatures allow, with all
of their keywords, and every field of its types.  Prints "ok" and what was tried.  Argument: the page.
"""

import ast
import asyncio
import inspect
import re
import sys
import textwrap
from pathlib import Path

from hypergraph import get_execution_strategy as strategy_of
from hypergraph import validate_map_compatible, validate_runner_compatibility
from hypergraph.cache import Cache, DiskCache, InMemoryCache, MemoryCache
from hypergraph.checkpointers.base import Checkpointer
from hypergraph.checkpointers.sqlite import SqliteCheckpointer
from hypergraph.events.processor import EventProcessor
from hypergraph.events.types import Event, InterruptEvent
from hypergraph.exceptions import (
    ConflictError,
    GraphConfigError,
    IncompatibleRunnerError,
    InfiniteLoopError,
    MissingInputError,
)
from hypergraph.graph import Graph
from hypergraph.nodes.base import HyperNode
from hypergraph.nodes.function import FunctionNode, node
from hypergraph.nodes.gate import END, RouteNode, route
from hypergraph.nodes.graph_node import GraphNode
from hypergraph.nodes.interrupt import InterruptNode
from hypergraph.runners import ExecutionStrategy, PauseInfo, RunnerCapabilities, RunResult, RunStatus
from hypergraph.runners.async_.runner import AsyncRunner
from hypergraph.runners.base import BaseRunner
from hypergraph.runners.sync import SyncRunner

PAGE = Path(sys.argv[1]).read_text(encoding="utf-8")
BLOCKS = [textwrap.dedent(code) for code in re.findall(r"^```\w*\n(.*?)^```", PAGE, re.S | re.M)]


def ok(*what):
    print("ok", *what)


def signatures(heading):
    """(function, {keyword: default}) of the functions that are shown below a heading, up to the next one like it."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    for code in re.findall(r"^```\w*\n(.*?)^```", section, re.S | re.M):
        for item in ast.walk(ast.parse(textwrap.dedent(code))):
            if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
                given = zip(item.args.kwonlyargs, item.args.kw_defaults, strict=True)
                yield item.name, {a.arg: ast.literal_eval(default) for a, default in given if default is not None}


def fields(heading):
    """The fields of a type the page shows."""
    section = PAGE.split(f"\n## {heading}\n" if f"\n## {heading}\n" in PAGE else f"\n### {heading}\n")[1]
    shown = section.split("```python\n")[1].split("```")[0]
    return re.findall(r"^    (\w+):", shown, re.M)


@node(output_name="y")
def double(x: int) -> int:
    return 2 * x


@node(output_name="total")
def add(y: int, more: int = 1) -> int:
    return y + more


@node(output_name="late")
async def later(x: int) -> int:
    await asyncio.sleep(0)
    return x


@node(output_name="n")
def count(n: int) -> int:
    return n + 1


@route(["count", END])
def again(n: int) -> str:
    return END if n >= 3 else "count"


@node(output_name="words")
def words(text: str):
    yield from text.split()


@node(output_name="broken")
def broken(x: int) -> int:
    raise ValueError("mine")


@node(output_name="cached", cache=True)
def cached(x: int) -> int:
    return x


chain = Graph([double, add], name="chain")
loop = Graph([count, again], name="loop", entrypoint="count")
asking = Graph([double, InterruptNode("ask", "y", "answer", int)], name="asking")
awaiting = Graph([later], name="awaiting")
assert isinstance(double, FunctionNode)
assert isinstance(again, RouteNode | HyperNode)
assert isinstance(chain.as_node(), GraphNode)
assert issubclass(Cache, object)
assert issubclass(SqliteCheckpointer, Checkpointer)


class Ear(EventProcessor):
    def __init__(self):
        self.events = []

    def on_event(self, event: Event) -> None:
        self.events.append(event)


# -- constructors and calls, with every keyword that is shown

MADE = {"cache": MemoryCache(), "event_processors": [], "checkpointer": None}
for kind in (SyncRunner, AsyncRunner):
    for name, keywords in signatures(kind.__name__):
        if name == "__init__":
            assert keywords.keys() <= MADE.keys()
            kind(**keywords)
            kind(**{key: MADE[key] for key in keywords})
            ok(kind.__name__, *keywords)
for cache in (DiskCache("./cache"), InMemoryCache()):
    SyncRunner(cache=cache).run(Graph([cached]), {"x": 1})
    ok(type(cache).__name__)

sync, loops = SyncRunner(), AsyncRunner()
for name, keywords in signatures("SyncRunner"):
    if name == "run":
        assert sync.run(chain, {"x": 1}, **keywords) == {"y": 2, "total": 3}
        assert sync.run(chain, inputs={"x": 1}, **{**keywords, "select": ["total"], "session_id": "s"}) == {"total": 3}
        ok("run", *keywords)
    elif name == "map":
        assert [*sync.map(chain, {"x": [1, 2]}, map_over="x", **keywords)] == [
            {"y": 2, "total": 3},
            {"y": 4, "total": 5},
        ]
        found = sync.map(
            chain, {"x": [1, 2], "more": [0, 5]}, map_over=["x", "more"], map_mode="product", select=["total"]
        )
        assert [item["total"] for item in found] == [2, 7, 4, 9]
        ok("map", *keywords)


async def asynchronous():
    for name, keywords in signatures("AsyncRunner"):
        if name == "run":
            result = await loops.run(chain, {"x": 1}, **keywords)
            assert isinstance(result, RunResult)
            assert result.outputs == {"y": 2, "total": 3}
        elif name == "iter":
            async with loops.iter(chain, inputs={"x": 1}, **keywords) as run:
                events = [type(event).__name__ async for event in run]
            assert (events[0], events[-1]) == ("RunStartEvent", "RunEndEvent")
            assert run.result["total"] == 3
        elif name == "map":
            assert [r["total"] for r in await loops.map(chain, {"x": [1, 2]}, map_over="x", **keywords)] == [3, 5]
        else:
            continue
        ok("async", name, *keywords)
    async with loops.iter(asking, {"x": 1}) as run:
        async for event in run:
            if isinstance(event, InterruptEvent):
                run.respond(event.response_param, 7)
    assert run.result["answer"] == 7
    ok("respond")
    handled = await loops.run(asking, {"x": 1}, interrupt_handlers={"ask": lambda value: value + 1})
    assert handled["answer"] == 3
    ok("interrupt_handlers")
    checkpointer = SqliteCheckpointer("./runs.db")
    runner = AsyncRunner(checkpointer=checkpointer)
    paused = await runner.run(asking, {"x": 1}, workflow_id="w")
    assert paused.status == RunStatus.PAUSED == "paused"
    for field in fields("PauseInfo"):
        assert hasattr(paused.pause, field)
    assert isinstance(paused.pause, PauseInfo)
    ok("PauseInfo", *fields("PauseInfo"))
    done = await runner.run(asking, {paused.pause.response_param: 5}, workflow_id="w")
    assert done.outputs == {"y": 2, "answer": 5}
    assert all(hasattr(done, field) for field in fields("RunResult"))
    ok("RunResult", *fields("RunResult"))
    await checkpointer.close()


asyncio.run(asynchronous())

# -- events

ear = Ear()
hearing = AsyncRunner(event_processors=[ear], cache=MemoryCache())


async def play():
    for graph, inputs in (
        (chain, {"x": 1}),
        (loop, {"n": 0}),
        (Graph([words]), {"text": "a b"}),
        (asking, {"x": 1}),
        *[(Graph([cached]), {"x": 1})] * 2,
    ):
        await hearing.run(graph, inputs)
    await hearing.run(Graph([broken]), {"x": 1}, error_handling="continue")


asyncio.run(play())
for heading in re.findall(r"^### (\w+Event)$", PAGE, re.M):
    heard = [event for event in ear.events if type(event).__name__ == heading]
    assert heard, heading
    for field in fields(heading):
        assert hasattr(heard[0], field), (heading, field)
    ok(heading, *fields(heading))

# -- errors

for kind, attempt in (
    (MissingInputError, lambda: sync.run(chain, {})),
    (InfiniteLoopError, lambda: sync.run(loop, {"n": 0}, max_iterations=1)),
    (IncompatibleRunnerError, lambda: sync.run(awaiting, {"x": 1})),
    (GraphConfigError, lambda: Graph([double, double])),
    (GraphConfigError, lambda: sync.map(asking, {"x": [1]}, map_over="x")),
    (GraphConfigError, lambda: Graph([double, node(lambda x: x, "y", name="other")])),
):
    try:
        attempt()
    except (kind, ConflictError) as error:
        ok(kind.__name__, str(error).splitlines()[0])
    else:
        raise AssertionError(kind)

# -- runners: capabilities, validation, nesting

shown = {name: default == "True" for name, default in re.findall(r"^    (\w+): bool = (\w+)", PAGE, re.M)}
for name, default in shown.items():
    assert getattr(RunnerCapabilities(), name) is default
ok("RunnerCapabilities", *shown)

for ours in (validate_map_compatible, validate_runner_compatibility):
    name = ours.__name__
    (text,) = [code for code in BLOCKS if f"def {name}(" in code]
    scope = {"GraphConfigError": GraphConfigError, "IncompatibleRunnerError": IncompatibleRunnerError}
    exec(compile("from __future__ import annotations\n" + text, name, "exec"), scope)
    subject, other = (asking, "map was called") if ours is validate_map_compatible else (awaiting, SyncRunner())
    for validate in (scope[name], ours):
        try:
            validate(subject, other)
        except (GraphConfigError, IncompatibleRunnerError) as error:
            ok(name, type(error).__name__)
        else:
            raise AssertionError(name)
        validate(chain, other)

(text,) = [code for code in BLOCKS if "def get_execution_strategy(" in code]
scope = {"ExecutionStrategy": ExecutionStrategy}
exec(compile("from __future__ import annotations\n" + text, "strategy", "exec"), scope)
for parent in (sync, loops):
    for nested in (sync, loops):
        assert strategy_of(parent, nested) is scope["get_execution_strategy"](parent, nested)
        ok("get_execution_strategy", strategy_of(parent, nested).name)

inner = awaiting.as_node(runner=AsyncRunner())
assert sync.run(Graph([inner]), {"x": 3})["late"] == 3
assert asyncio.run(loops.run(Graph([chain.as_node(runner=SyncRunner())]), {"x": 3}))["total"] == 7
ok("nested runners")
assert not inspect.isabstract(SyncRunner)
assert issubclass(SyncRunner, BaseRunner)
assert issubclass(AsyncRunner, BaseRunner)
ok("BaseRunner")
