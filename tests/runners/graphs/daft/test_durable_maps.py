"""Durable maps by DaftRunner: gone on with by other runners, and the other way round."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from holdwater.checkpointers import Checkpointer, MemoryCheckpointer
from holdwater.errors import ConfigError
from holdwater.graphs import Graph, node
from holdwater.model.map_items import MapProgress
from holdwater.runners.graphs import DaftRunner, SyncRunner
from holdwater.runners.graphs.results import MapResult


@pytest.fixture
def checkpointer() -> Iterator[Checkpointer]:
    with MemoryCheckpointer() as checkpointer:
        yield checkpointer


def test_each_runner_goes_on_with_the_maps_of_the_other(checkpointer: Checkpointer) -> None:
    seen: list[int] = []
    bad = {700}

    def double(x: int, factor: int) -> int:
        seen.append(x)
        if x in bad:
            raise ValueError(f"{x} is bad")
        return factor * x

    graph = Graph([node(double, output_name="y")], name="daft_map")

    def call(runner: Any, workflow_id: str, **options: Any) -> MapResult:
        seen.clear()
        run = runner.collect_map if isinstance(runner, DaftRunner) else runner.map
        given = {"x": iter(range(1200)), "factor": 2}
        made: MapResult = run(graph, given, map_over="x", workflow_id=workflow_id, **options)
        return made

    by_daft, by_sync = DaftRunner(checkpointer=checkpointer), SyncRunner(checkpointer=checkpointer)
    for first, second in ((by_daft, by_sync), (by_sync, by_daft)):
        workflow_id = type(first).__name__
        bad.add(700)
        with pytest.raises(ValueError, match="700 is bad"):
            call(first, workflow_id)
        drawn = len(seen)
        assert drawn == (1000 if first is by_daft else 701)
        results = call(second, workflow_id, error_handling="continue")
        assert sorted(seen) == sorted({700, *range(drawn, 1200)})
        assert results.progress == MapProgress(1200, 1199, 1)
        bad.clear()
        results = call(first, workflow_id)
        assert seen == [700]
        assert results["y"] == [2 * x for x in range(1200)]


def test_a_frame_of_what_is_recorded(checkpointer: Checkpointer) -> None:
    seen: list[tuple[int, int]] = []

    def divide(a: int, b: int) -> int:
        seen.append((a, b))
        return a // b

    graph = Graph([node(divide, output_name="q")], name="daft_frames")
    by_daft, by_sync = DaftRunner(checkpointer=checkpointer), SyncRunner(checkpointer=checkpointer)
    frame = by_daft.map(
        graph, {"a": iter([6, 8]), "b": [2, 0]}, map_over=("a", "b"), map_mode="product", workflow_id="m"
    )
    assert sorted(seen) == [(6, 0), (6, 2), (8, 0), (8, 2)]
    seen.clear()
    failed = "ZeroDivisionError: integer division or modulo by zero"
    expected = {"a": [6, 6, 8, 8], "b": [2, 0, 2, 0], "q": [3, None, 4, None], "_error": [None, failed, None, failed]}
    assert frame.to_pydict() == frame.where(frame["a"] > 0).to_pydict() == expected
    assert seen == [], "what is recorded is not run again"
    ended = by_sync.map(
        graph,
        {"a": [6, 8], "b": [2, 0]},
        map_over=("a", "b"),
        map_mode="product",
        workflow_id="m",
        error_handling="continue",
    )
    assert sorted(seen) == [(6, 0), (8, 0)]
    assert ended.progress == MapProgress(4, 2, 2)


def test_a_checkpointer_is_needed() -> None:
    graph = Graph([node(lambda x: x, output_name="y", name="f")], name="g")
    for call in (DaftRunner().collect_map, DaftRunner().map):
        with pytest.raises(ConfigError, match="no checkpointer"):
            call(graph, {"x": [1]}, map_over="x", workflow_id="m")
