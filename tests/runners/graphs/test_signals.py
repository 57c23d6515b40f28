"""Signals say who writes a name before whom: a reader between two writers sees the first, in any order of the nodes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest

from holdwater import END, Graph
from tests.runners.graphs.test_loops import EXECUTION_MODES, ExecutionMode, RecordingGraphBuilder


def _readers_between_writers(m: RecordingGraphBuilder) -> list[Any]:
    return [
        m.fn("w1", "x", "v", lambda x: x + 1, emit="s1"),
        m.fn("r1", "v", "a", lambda v: v, wait_for="s1", emit="t1"),
        m.fn("w2", "x", "v", lambda x: x * 10, wait_for="t1", emit="s2"),
        m.fn("r2", "v", "b", lambda v: v, wait_for="s2"),
    ]


def _one_signal(m: RecordingGraphBuilder) -> list[Any]:
    """Only the second writer waits: for the reader of the first."""
    return [
        m.fn("w1", "x", "v", lambda x: x + 1),
        m.fn("r1", "v", "a", lambda v: v, emit="read"),
        m.fn("w2", "x", "v", lambda x: x * 10, wait_for="read", emit="s2"),
        m.fn("r2", "v", "b", lambda v: v, wait_for="s2"),
    ]


def _accumulating_writers(m: RecordingGraphBuilder) -> list[Any]:
    return [
        m.fn("w1", "x", "v", lambda x: [x], emit="s1"),
        m.fn("w2", "v", "v", lambda v: [*v, 2], wait_for="s1", emit="s2"),
        m.fn("w3", "v", "v", lambda v: [*v, 3], wait_for="s2", emit="s3"),
        m.fn("r", "v", "b", lambda v: v, wait_for="s3"),
        m.fn("free", "v", "c", lambda v: v),
    ]


def _skipped_writer(m: RecordingGraphBuilder) -> list[Any]:
    """A gate decides whether the second writer runs."""
    return [
        m.fn("w1", "x", "v", lambda x: x, emit="s1"),
        m.gate("change", "x", ["w2", "keep"], lambda x: "w2" if x else "keep"),
        m.fn("w2", "x", "v", lambda x: -x, wait_for="s1"),
        m.fn("keep", "x", "kept", lambda x: x),
        m.fn("r", "v", "b", lambda v: v),
    ]


def _looping_writer(m: RecordingGraphBuilder) -> list[Any]:
    """The first writer stands before the loop, the second writes what the next turn begins with."""
    return [
        m.fn("first", "x", "v", lambda x: x, emit="begun"),
        m.fn("mid", "v", "u", lambda v: v + 1, wait_for="begun", emit="half"),
        m.fn("second", "u", "v", lambda u: u * 2, wait_for="half"),
        m.gate("more", "v", ["mid", END], lambda v: END if v > 20 else "mid"),
    ]


CASES: dict[str, tuple[Callable[[RecordingGraphBuilder], list[Any]], int, dict[str, Any]]] = {
    "readers between": (_readers_between_writers, 1, {"v": 10, "a": 2, "b": 10}),
    "one signal": (_one_signal, 1, {"v": 10, "a": 2, "b": 10}),
    "accumulated": (_accumulating_writers, 1, {"v": [1, 2, 3], "b": [1, 2, 3], "c": [1, 2, 3]}),
    "a writer that runs": (_skipped_writer, 3, {"v": -3, "b": -3}),
    "turns": (_looping_writer, 1, {"v": 22, "u": 11}),
}


@pytest.mark.parametrize("way", EXECUTION_MODES)
@pytest.mark.parametrize(("build", "x", "outputs"), CASES.values(), ids=CASES)
def test_signals_order_writers_of_one_name(
    build: Callable[[RecordingGraphBuilder], list[Any]], x: int, outputs: dict[str, Any], way: ExecutionMode
) -> None:
    orders = list(permutations(range(len(build(RecordingGraphBuilder())))))
    for order in orders[:: max(1, len(orders) // 6)]:
        nodes = build(RecordingGraphBuilder())
        graph = Graph([nodes[k] for k in order], name="signals")
        assert way(graph, {"x": x}, select=["*"], max_iterations=20) == outputs, order
