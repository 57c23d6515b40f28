from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from holdwater.caching import MemoryCache
from holdwater.events import CacheHitEvent, NodeEndEvent, RouteDecisionEvent
from holdwater.graphs import Graph, ifelse, node
from holdwater.runners.graphs import AsyncRunner, RunResult, SyncRunner
from tests.runners.graphs.samples import RecordingProcessor, run_with_timeout


def log_call(name: str) -> None:
    """Noted outside of all values: what a function can see is part of its key."""
    logging.getLogger("called").info(name)


@node(output_name="doubled", cache=True)
def double(x: int) -> int:
    log_call("double")
    return 2 * x


@node(output_name="parts", cache=True)
def split(doubled: int) -> Any:
    log_call("split")
    yield from range(doubled)


@ifelse("short", "long", cache=True)
def is_short(parts: list[int]) -> bool:
    log_call("is_short")
    return len(parts) < 5


@node(output_name="text")
def short(parts: list[int]) -> str:
    return f"short {parts}"


@node(output_name="text")
def long(parts: list[int]) -> str:
    return f"long {parts}"


GRAPH = Graph([double, split, is_short, short, long], name="cached")


class LoggedCalls:
    """What has been called so far, in order."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "called")
        self._caplog = caplog

    def __call__(self) -> list[str]:
        return [record.message for record in self._caplog.records if record.name == "called"]


@pytest.fixture
def calls(caplog: pytest.LogCaptureFixture) -> LoggedCalls:
    return LoggedCalls(caplog)


@pytest.fixture(params=["sync", "async"])
def run(request: pytest.FixtureRequest) -> Callable[..., RunResult]:
    cache = MemoryCache()
    if request.param == "sync":
        return SyncRunner(cache=cache).run
    return lambda *args, **options: run_with_timeout(AsyncRunner(cache=cache).run(*args, **options))


def test_values_generators_and_decisions_are_kept(run: Callable[..., RunResult], calls: LoggedCalls) -> None:
    assert run(GRAPH, {"x": 1}) == {"text": "short [0, 1]"}
    assert calls() == ["double", "split", "is_short"]
    ear = RecordingProcessor()
    assert run(GRAPH, {"x": 1}, event_processors=[ear]) == {"text": "short [0, 1]"}
    assert calls() == ["double", "split", "is_short"]
    assert [event.node_name for event in ear.of_type(CacheHitEvent)] == ["double", "split", "is_short"]
    assert [event.cached for event in ear.of_type(NodeEndEvent)] == [True, True, True, False]
    assert [event.decision for event in ear.of_type(RouteDecisionEvent)] == ["short"]
    assert ear.event_names[1:4] == ["NodeStart double", "CacheHit double", "NodeEnd double"]
    assert run(GRAPH, {"x": 4})["text"].startswith("long")


def test_a_runner_without_a_cache_calls(calls: LoggedCalls) -> None:
    SyncRunner().run(GRAPH, {"x": 1})
    SyncRunner().run(GRAPH, {"x": 1})
    assert calls().count("double") == 2


def test_the_cache_passes_down(run: Callable[..., RunResult], calls: LoggedCalls) -> None:
    outer = Graph([GRAPH.as_node()])
    run(outer, {"x": 1})
    run(outer, {"x": 1})
    mapped = Graph([Graph([double], name="inner").as_node().map_over("x")])
    assert run(mapped, {"x": [1, 1, 2]}) == {"doubled": [2, 2, 4]}
    assert calls().count("double") == 2  # for 1 and for 2


def test_failures_are_not_kept(run: Callable[..., RunResult], calls: LoggedCalls) -> None:
    @node(output_name="y", cache=True)
    def fail(x: int) -> int:
        log_call("fail")
        raise ValueError(x)

    graph = Graph([fail])
    for _ in range(2):
        with pytest.raises(ValueError, match="1"):
            run(graph, {"x": 1})
    assert calls() == ["fail", "fail"]
