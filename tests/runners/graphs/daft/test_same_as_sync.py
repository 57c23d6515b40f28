"""Rows of a DataFrame come to what items of a SyncRunner come to, errors included."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import assume

from holdwater.graphs import Graph
from holdwater.runners.graphs import DaftRunner, SyncRunner
from holdwater.runners.graphs.daft.frames import ERROR_COLUMN, error_text
from tests.runners.graphs.local.programs import (
    CallLog,
    FunctionSpec,
    NestedSpec,
    NodeSpec,
    build_graph,
    graph_specs,
)
from tests.suite.effort import property_test

ITEMS = [3, 0, 7, 12, 3]


def without_decisions(parts: tuple[NodeSpec, ...]) -> tuple[NodeSpec, ...]:
    """What a DataFrame can run: no gates and loops."""
    kept = [part for part in parts if isinstance(part, (FunctionSpec, NestedSpec))]
    return tuple(replace(part, gated=False) if isinstance(part, NestedSpec) else part for part in kept)


def inputs_of(graph: Graph) -> dict[str, Any]:
    return {name: [5, 1, 4] if name == "xs" else 3 for name in graph.inputs.required}


def compare(graph: Graph, calls: CallLog, reference: Graph | None = None) -> None:
    given = inputs_of(graph)
    name = next((name for name in ("x0", "x1", "x2") if name in given), None)
    assume(name is not None)
    assert name is not None
    given[name] = ITEMS
    options: dict[str, Any] = {"map_over": name, "select": ["*"]}
    expected = SyncRunner().map(reference or graph, given, error_handling="continue", **options)
    called = calls.take_counts()
    frame = DaftRunner().map(graph, given, **options)
    assert not calls.take_counts()
    found = frame.to_pydict()
    # of items awaited at once others have begun when one fails
    assert calls.take_counts() == called or (graph.has_async_nodes and any(one.failed for one in expected))
    assert found.pop(name) == ITEMS
    texts = [None if result.error is None else error_text(result.error) for result in expected]
    # in a DataFrame the number of the item is that of the row
    assert found.pop(ERROR_COLUMN) == [text and text.replace(f", item {index}", "") for index, text in enumerate(texts)]
    for index, result in enumerate(expected):
        row = {output: column[index] for output, column in found.items()}
        assert row == (dict(result) if result.error is None else dict.fromkeys(row))


@property_test(graph_specs(), quick_examples=30, long_examples=1000)
def test_plain_functions(parts: tuple[NodeSpec, ...]) -> None:
    calls = CallLog()
    graph = build_graph(without_decisions(parts), calls)
    assume(graph is not None)
    assert graph is not None
    assume(graph.nodes)
    compare(graph, calls)


@property_test(graph_specs(), quick_examples=20, long_examples=500)
def test_coroutine_functions(parts: tuple[NodeSpec, ...]) -> None:
    calls = CallLog()
    graph = build_graph(without_decisions(parts), calls, use_async=True)
    plain = build_graph(without_decisions(parts), calls)
    assume(graph is not None)
    assert graph is not None
    assume(graph.has_async_nodes)
    compare(graph, calls, plain)


@property_test(graph_specs(), quick_examples=15, long_examples=300)
def test_one_run(parts: tuple[NodeSpec, ...]) -> None:
    calls = CallLog()
    graph = build_graph(without_decisions(parts), calls)
    assume(graph is not None)
    assert graph is not None
    assume(graph.nodes)
    given = inputs_of(graph)
    expected = SyncRunner().run(graph, given, error_handling="continue", select=["*"])
    found = DaftRunner().run(graph, given, error_handling="continue", select=["*"])
    assert (repr(found.error), found.status) == (repr(expected.error), expected.status)
    assert dict(found) == (dict(expected) if expected.error is None else {})
