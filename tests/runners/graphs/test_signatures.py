from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest

from holdwater.errors import InputError
from holdwater.graphs import Graph, node
from holdwater.runners.graphs import AsyncRunner, SyncRunner


@node(output_name="y")
def double(x: int) -> int:
    return 2 * x


GRAPH = Graph([double])


def test_run_and_iter_take_the_same_and_show_it() -> None:
    shown = inspect.signature(AsyncRunner.run).parameters
    assert list(shown.values()) == list(inspect.signature(AsyncRunner.iter).parameters.values())
    assert list(shown)[:3] == ["self", "graph", "inputs"]
    assert shown["error_handling"].default == "raise"
    assert shown.keys() - inspect.signature(SyncRunner.run).parameters.keys() == {
        "interrupt_handlers",
        "max_concurrency",
    }


@pytest.mark.parametrize(
    ("call", "option"),
    [
        (lambda **slip: SyncRunner().run(GRAPH, {"x": 1}, **slip), "max_iterations"),
        (lambda **slip: SyncRunner().map(GRAPH, {"x": [1]}, map_over="x", **slip), "map_mode"),
        (lambda **slip: asyncio.run(AsyncRunner().run(GRAPH, {"x": 1}, **slip)), "interrupt_handlers"),
        (lambda **slip: asyncio.run(AsyncRunner().map(GRAPH, {"x": [1]}, map_over="x", **slip)), "on_pause"),
        (lambda **slip: asyncio.run(_iterate(**slip)), "max_concurrency"),
    ],
    ids=["run", "map", "async-run", "async-map", "iter"],
)
def test_a_slip_in_an_option_is_met_with_the_option(call: Any, option: str) -> None:
    with pytest.raises(InputError, match="neither an input of the graph nor an option") as caught:
        call(**{option[:-1]: None})
    assert option in caught.value.hint


async def _iterate(**options: Any) -> None:
    async with AsyncRunner().iter(GRAPH, {"x": 1}, **options) as run:
        async for _ in run:
            pass
    _ = run.result


def test_inputs_may_be_called_as_the_runner_calls_its_own() -> None:
    @node(output_name="y")
    def echo(handle: int) -> int:
        return handle

    assert asyncio.run(AsyncRunner().run(Graph([echo]), handle=3))["y"] == 3
