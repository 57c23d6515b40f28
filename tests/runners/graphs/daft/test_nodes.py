"""What nodes can be: defaults, renames, bound values, generators, contexts, caches, retries, time-outs."""

from __future__ import annotations

import asyncio
import functools
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holdwater import DaftRunner, Graph, RetryPolicy, node
from holdwater.caching import MemoryCache
from holdwater.errors import IncompatibleRunnerError, SignatureError
from holdwater.graphs import FunctionNode, NodeContext
from holdwater.runners.graphs import stateful

NOW = RetryPolicy(max_attempts=3, initial_delay=0)


def column(graph: Graph, name: str, inputs: dict[str, Any] | None = None, **options: Any) -> list[Any]:
    frame = DaftRunner(**options).map(graph, inputs or {"x": [1, 2, 3]}, map_over="x", select=["*"])
    found: dict[str, list[Any]] = frame.to_pydict()
    assert found["_error"] == [None] * len(found["x"]), found["_error"]
    return found[name]


def test_defaults_are_fresh_in_every_row() -> None:
    @node(output_name="seen")
    def push(x: int, stack: list[int] = []) -> list[int]:  # noqa: B006 - that is the point
        stack.append(x)
        return list(stack)

    assert column(Graph([push]), "seen") == [[1], [2], [3]]


def test_renames() -> None:
    @node(output_name=("small", "large"))
    def split(number: int, by: int = 2) -> tuple[int, int]:
        return number // by, number * by

    graph = Graph([split.rename_inputs(number="x", by="factor").rename_outputs(small="s", large="l")])
    assert column(graph, "s", {"x": [4, 6], "factor": 2}) == [2, 3]
    assert column(graph, "l", {"x": [4, 6]}) == [8, 12]


def test_bound_values_are_shared() -> None:
    seen: list[Any] = []

    @node(output_name="y")
    def use(x: int, client: list[Any]) -> int:
        client.append(x)
        return x

    column(Graph([use]).bind(client=seen), "y")
    assert seen == [1, 2, 3]


def test_generators() -> None:
    @node(output_name="y")
    def count(x: int) -> Iterator[int]:
        yield from range(x)

    @node(output_name="z")
    def add(y: list[int]) -> int:
        return sum(y)

    assert column(Graph([count, add]), "y") == [[0], [0, 1], [0, 1, 2]]
    assert column(Graph([count, add]), "z") == [0, 1, 3]


def test_contexts() -> None:
    @node(output_name="y")
    def stream(x: int, context: NodeContext) -> int:
        context.stream("a chunk, which has no listener")
        return x

    assert column(Graph([stream]), "y") == [1, 2, 3]


def test_functions_without_outputs() -> None:
    seen: list[int] = []

    @node(emit="noted")
    def note(x: int) -> None:
        seen.append(x)

    assert DaftRunner().map(Graph([note]), {"x": [1, 2]}, map_over="x").to_pydict() == {
        "x": [1, 2],
        "_error": [None, None],
    }
    assert seen == [1, 2]

    @node(output_name="y", wait_for="noted")
    def after(x: int) -> int:
        return seen[-1]

    assert column(Graph([after, note]), "y") == [1, 2, 3]


def test_a_graph_that_reads_nothing() -> None:
    @node(output_name="y")
    def five() -> int:
        return 5

    assert DaftRunner().run(Graph([five])) == {"y": 5}


def twice(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def test_wrapped_functions() -> None:
    @node(output_name="y")
    @twice
    def plain(x: int) -> int:
        return x

    @node(output_name="z")
    @twice
    def lazily(x: int) -> Iterator[int]:
        yield x

    assert column(Graph([plain, lazily]), "y") == [1, 2, 3]
    assert column(Graph([plain, lazily]), "z") == [[1], [2], [3]]


def test_a_coroutine_that_is_not_awaited_is_an_error() -> None:
    async def late(x: int) -> int:
        return x

    graph = Graph([FunctionNode(lambda x: late(x), name="forgetful", output_name="y")])
    found = DaftRunner().map(graph, {"x": [1]}, map_over="x").to_pydict()
    assert found["y"] == [None]
    assert "returned a coroutine" in found["_error"][0]
    assert "forgetful" in found["_error"][0]


def test_a_wrong_number_of_outputs() -> None:
    graph = Graph([node(lambda x: (x,) * x, name="several", output_name=("a", "b"))])
    found = DaftRunner().map(graph, {"x": [1, 2]}, map_over="x").to_pydict()
    assert (found["a"], found["b"]) == ([None, 2], [None, 2])
    assert "2 data outputs" in found["_error"][0]


@pytest.mark.parametrize("use_async", [False, True])
def test_cached_nodes(use_async: bool, tmp_path: Path) -> None:
    calls = str(tmp_path / "calls")  # a list would be part of the key, and change with every call

    def slow(x: int) -> int:
        with open(calls, "a") as file:
            print(x, file=file)
        return 10 * x

    async def slow_later(x: int) -> int:
        await asyncio.sleep(0)
        return slow(x)

    graph = Graph([FunctionNode(slow_later if use_async else slow, name="slow", output_name="y", cache=True)])
    runner = DaftRunner(cache=MemoryCache())
    for _ in range(2):
        assert runner.map(graph, {"x": [1, 2]}, map_over="x").to_pydict()["y"] == [10, 20]
    assert runner.run(graph, {"x": 2}) == {"y": 20}
    assert sorted(Path(calls).read_text().split()) == ["1", "2"]
    assert DaftRunner().run(graph, {"x": 2}) == {"y": 20}
    assert sorted(Path(calls).read_text().split()) == ["1", "2", "2"]


@pytest.mark.parametrize("use_async", [False, True])
def test_retries(use_async: bool) -> None:
    attempts: Counter[int] = Counter()

    def try_it(x: int, box: list[int]) -> int:
        attempts[x] += 1
        box.append(x)
        if attempts[x] < x:
            raise ConnectionError(f"attempt {attempts[x]}")
        return len(box)

    async def try_it_later(x: int, box: list[int]) -> int:
        await asyncio.sleep(0)
        return try_it(x, box)

    flaky = FunctionNode(try_it_later if use_async else try_it, name="flaky", output_name="y", retry=NOW)
    found = DaftRunner().map(Graph([flaky]), {"x": [1, 2, 3, 4], "box": []}, map_over="x").to_pydict()
    assert found["y"] == [1, 1, 1, None]  # every attempt has the data as it was given
    assert found["_error"][3] == "ConnectionError: attempt 3 (in node 'flaky', inputs: x, box)"
    assert attempts == {1: 1, 2: 2, 3: 3, 4: 3}


def test_time_outs() -> None:
    @node(output_name="y", timeout=0.01)
    async def wait(x: int) -> int:
        if x == 2:
            await asyncio.Event().wait()
        return x

    found = DaftRunner().map(Graph([wait]), {"x": [1, 2, 3]}, map_over="x").to_pydict()
    assert found["y"] == [1, None, 3]
    assert found["_error"][1] == "TimeoutError: node 'wait' ran longer than 0.01 s (in node 'wait', inputs: x)"

    @node(output_name="y", timeout=1)
    def plain(x: int) -> int:
        return x

    with pytest.raises(IncompatibleRunnerError, match="cannot stop a plain function"):
        DaftRunner().run(Graph([plain]), {"x": 1})


def test_stateful_classes() -> None:
    @stateful
    class Model:
        def __init__(self, factor: int = 3) -> None:
            self.factor = factor

    @node(output_name="y")
    def predict(x: int, model: Model) -> int:
        return x * model.factor

    assert column(Graph([predict]).bind(model=Model()), "y") == [3, 6, 9]
    with pytest.raises(SignatureError, match="without arguments"):

        @stateful
        class Bad:
            def __init__(self, path: str) -> None:
                self.path = path
