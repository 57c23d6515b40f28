"""What bodies return and raise: wrapped coroutines and generators, attempts that failed half way, runs that failed."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from holdwater import Graph, RetryPolicy, RunStatus, interrupt, node, route
from holdwater.checkpointers import MemoryCheckpointer
from holdwater.errors import GraphConfigError, MissingInputError, NodeReturnError, SignatureError
from holdwater.events import EventProcessor
from holdwater.runners.graphs import AsyncRunner, SyncRunner
from tests.runners.graphs.test_loops import EXECUTION_MODES, ExecutionMode

ATTEMPTS = RetryPolicy(max_attempts=3, initial_delay=0)


def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    """A plain wrapper, as logging decorators are."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def wrapped_without_metadata(function: Callable[..., Any]) -> Callable[..., Any]:
    """One that does not say what it wraps."""

    def wrapper(x: int) -> Any:
        return function(x)

    return wrapper


async def later(x: int) -> int:
    await asyncio.sleep(0)
    return x + 1


def twice(x: int) -> Iterator[int]:
    yield from (x, x)


async def twice_later(x: int) -> AsyncIterator[int]:
    for _ in range(2):
        yield x


PENDING_VALUES = {
    "coroutine, worn": (wrapped(later), 2),
    "coroutine, unmarked": (wrapped_without_metadata(later), 2),
    "coroutine, partial": (functools.partial(wrapped(later)), 2),
    "coroutine, worn twice": (wrapped(wrapped(later)), 2),
    "async generator, worn": (wrapped(twice_later), [1, 1]),
}


@pytest.mark.parametrize(("function", "value"), PENDING_VALUES.values(), ids=PENDING_VALUES)
def test_what_is_still_to_be_awaited_is_awaited_or_refused(function: Any, value: Any) -> None:
    for body in (None, lambda y: y, lambda y: y * 2):
        after = [] if body is None else [node(body, output_name="z", name="after")]
        graph = Graph([node(function, output_name="y", name="fetch"), *after], name="pending")
        assert asyncio.run(AsyncRunner().run(graph, {"x": 1}, select=["y"])) == {"y": value}
        with pytest.raises(NodeReturnError, match="'fetch' returned a coroutine"):
            SyncRunner().run(graph, {"x": 1})
        with pytest.raises(NodeReturnError, match="'fetch' returned a coroutine"):
            SyncRunner().map(graph, {"x": list(range(20))}, map_over="x")
        with MemoryCheckpointer() as checkpointer, pytest.raises(NodeReturnError, match="'fetch' returned a coroutine"):
            SyncRunner(checkpointer=checkpointer).run(graph, {"x": 1})


@pytest.mark.parametrize("way", EXECUTION_MODES)
def test_a_generator_out_of_a_plain_wrapper_is_collected(way: ExecutionMode) -> None:
    graph = Graph([node(wrapped(twice), output_name="y")], name="wrapped")
    assert way(graph, {"x": 1}) == {"y": [1, 1]}


def test_a_generator_that_is_a_value_stays_one() -> None:
    graph = Graph([node(lambda x: (one for one in (x, x)), output_name="y", name="lazy")])
    assert list(SyncRunner().run(graph, {"x": 1})["y"]) == [1, 1]


def test_what_a_wrapped_interrupt_shows_is_awaited() -> None:
    @interrupt(answer_name="ok")
    @wrapped
    async def ask(x: int) -> str:
        return f"really {x}?"

    paused = asyncio.run(AsyncRunner().run(Graph([ask]), {"x": 1}))
    assert paused.pause is not None
    assert paused.pause.value == "really 1?"


def _mutating_graph(calls: list[Any], failures: int) -> Graph:
    """`spoil` changes what it was given before it fails; `look` reads the same."""

    def spoil(items: list[str], given: dict[str, list[int]], shared: list[str]) -> list[Any]:
        calls.append(None)
        items.append("b")
        given["k"].append(1)
        shared.append("s")
        if len(calls) <= failures:
            raise ConnectionError
        return [items, given["k"]]

    return Graph(
        [
            node(lambda x: ["a"], output_name="items", name="make"),
            node(spoil, output_name="spoiled", retry=ATTEMPTS),
            node(lambda items, spoiled: list(items), output_name="seen", name="look"),
        ],
        name="spoiling",
    )


@pytest.mark.parametrize("failures", [0, 1, 2])
@pytest.mark.parametrize("way", EXECUTION_MODES)
def test_a_retry_sees_the_inputs_as_they_were(way: ExecutionMode, failures: int) -> None:
    kept: list[Any] = []
    result = way(_mutating_graph(kept, failures), {"x": 1, "given": {"k": []}, "shared": []}, select=["*"])
    assert len(kept) == failures + 1
    assert result["spoiled"] == [["a", "b"], [1]]
    assert result["seen"] == ["a"]


def test_what_is_no_data_is_not_copied_for_a_retry() -> None:
    client, bound = threading.Lock(), ["bound"]
    seen: list[tuple[Any, Any]] = []
    use = node(lambda client, bound: seen.append((client, bound)), name="use", retry=ATTEMPTS)
    SyncRunner().run(Graph([use]).bind(bound=bound), {"client": client})
    assert seen[0][0] is client
    assert seen[0][1] is bound


class IgnoringProcessor(EventProcessor):
    def on_event(self, event: Any) -> None:
        pass


@pytest.mark.parametrize("processors", [[], [IgnoringProcessor()]])
@pytest.mark.parametrize("before", [[], [node(lambda x: x, output_name="w", name="calm", retry=ATTEMPTS)]])
def test_a_failure_before_the_function_is_that_of_its_own_node(before: list[Any], processors: list[Any]) -> None:
    calls: list[None] = []

    def use(x: int, lock: Any = threading.Lock()) -> None:  # noqa: B008
        calls.append(None)

    runner = SyncRunner(event_processors=processors)
    with pytest.raises(GraphConfigError, match=r"node 'use': the default of 'lock'"):
        runner.run(Graph([*before, node(use)]), {"x": 1})
    assert not calls


def _failing_graph() -> Graph:
    def boom(b: int) -> int:
        raise ValueError("no")

    return Graph(
        [
            node(lambda x: x + 1, output_name="a", name="first"),
            node(lambda a: (a, -a), output_name=("b", "c"), name="second"),
            node(boom, output_name="d"),
            node(lambda d: d, output_name="e", name="last"),
        ],
        name="failing",
    )


@pytest.mark.parametrize("way", EXECUTION_MODES)
def test_a_failed_run_returns_what_had_finished(way: ExecutionMode) -> None:
    result = way(_failing_graph(), {"x": 1}, error_handling="continue")
    assert result.status is RunStatus.FAILED
    assert isinstance(result.error, ValueError)
    assert result == {"a": 2, "b": 2, "c": -2}
    assert way(_failing_graph(), {"x": 1}, error_handling="continue", select=["c", "e"]) == {"c": -2}


@pytest.mark.parametrize("way", EXECUTION_MODES)
def test_a_failed_run_with_a_gate_returns_what_had_finished(way: ExecutionMode) -> None:
    nodes = [*_failing_graph().nodes.values(), route(["boom", "last"])(lambda c: "boom").with_name("gate")]
    assert way(Graph(nodes, name="gated"), {"x": 1}, error_handling="continue") == {"a": 2, "b": 2, "c": -2}


@pytest.mark.parametrize("count", [1, 20])
def test_items_of_a_map_keep_what_had_finished(count: int) -> None:
    given = {"x": list(range(count))}
    here = SyncRunner().map(_failing_graph(), given, map_over="x", error_handling="continue")
    there = asyncio.run(AsyncRunner().map(_failing_graph(), given, map_over="x", error_handling="continue"))
    for results in (here, there):
        assert [dict(one) for one in results] == [{"a": x + 1, "b": x + 1, "c": -x - 1} for x in range(count)]
        assert results.status is RunStatus.FAILED


def test_items_that_lack_an_input_are_failed_items() -> None:
    graph = Graph([node(lambda x, k: x + k, output_name="y", name="add")])
    given = {"x": [1, 2]}
    here = SyncRunner().map(graph, given, map_over="x", error_handling="continue")
    there = asyncio.run(AsyncRunner().map(graph, given, map_over="x", error_handling="continue"))
    for results in (here, there):
        assert [type(one.error) for one in results] == [MissingInputError, MissingInputError]
        assert results.status is RunStatus.FAILED
    with pytest.raises(MissingInputError, match="'k'"):
        SyncRunner().map(graph, given, map_over="x")
    with pytest.raises(MissingInputError, match="'k'"):
        asyncio.run(AsyncRunner().map(graph, given, map_over="x"))


class Adder:
    def method(self, x: int) -> int:
        return x + 1

    @staticmethod
    def static(x: int) -> int:
        return x + 1

    def __call__(self, x: int) -> int:
        return x + 1


def add(x: int, k: int) -> int:
    return x + k


def _named_like_add(target: Any) -> Any:
    """It says that it is `add`, as decorated objects do."""
    return functools.update_wrapper(target, add)


CALLABLES = {
    "method": Adder().method,
    "static method": Adder.static,
    "bare static method": staticmethod(Adder.static),
    "callable object": Adder(),
    "callable object that wears a name": _named_like_add(Adder()),
    "partial by keyword": functools.partial(add, k=1),
    "partial by position": functools.partial(add, 1),
    "partial by keyword that wears a name": _named_like_add(functools.partial(add, k=1)),
    "partial by position that wears a name": _named_like_add(functools.partial(add, 1)),
    "wrapper with fewer parameters": functools.wraps(add)(lambda x: x + 1),
    "wrapper with a default": functools.wraps(add)(lambda x, k=1: x + k),
    "cached": functools.lru_cache(Adder.static),
    "worn": wrapped(Adder.static),
}


@pytest.mark.parametrize("way", EXECUTION_MODES)
@pytest.mark.parametrize("function", CALLABLES.values(), ids=CALLABLES)
def test_callables_of_every_shape(function: Any, way: ExecutionMode) -> None:
    graph = Graph([node(function, output_name="y", name="n")], name="shapes")
    (name,) = graph.inputs.required
    assert way(graph, {name: 1}) == {"y": 2}


def test_a_callable_that_cannot_be_called_by_keyword_is_refused_when_it_is_decorated() -> None:
    for refused in (functools.singledispatch(Adder.static), abs, lambda *x: x, eval("lambda x, /: x")):
        with pytest.raises(SignatureError):
            node(refused, output_name="y", name="n")
