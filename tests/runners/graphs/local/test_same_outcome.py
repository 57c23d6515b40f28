"""The short way, the machine in one thread and the machine on a loop come to the same."""

from __future__ import annotations

from hypothesis import assume

from tests.runners.graphs.local.programs import (
    CallLog,
    NestedSpec,
    NodeSpec,
    build_graph,
    graph_specs,
    run_async,
    run_fast_path,
    run_machine,
)
from tests.suite.effort import property_test


@property_test(graph_specs(), quick_examples=50, long_examples=3000)
def test_fast_path_and_machine(parts: tuple[NodeSpec, ...]) -> None:
    calls = CallLog()
    graph = build_graph(parts, calls)
    assume(graph is not None)
    assert graph is not None
    assert run_fast_path(graph, calls) == run_machine(graph, calls)


@property_test(graph_specs(), quick_examples=50, long_examples=1500)
def test_machine_and_loop(parts: tuple[NodeSpec, ...]) -> None:
    calls = CallLog()
    graph, awaited = build_graph(parts, calls), build_graph(parts, calls, use_async=True)
    assume(graph is not None)
    assert graph is not None
    assert awaited is not None
    here, there = run_machine(graph, calls), run_async(awaited, calls)
    if here.error is None:
        assert here == there
    else:  # what else was under way when the first node failed is a matter of time
        assert there.error is not None
        settled = {name: value for name, value in here.outputs.items() if "_count" not in name}
        assert all(there.outputs.get(name, value) == value for name, value in settled.items())


@property_test(graph_specs(), quick_examples=50, long_examples=1500)
def test_one_at_a_time(parts: tuple[NodeSpec, ...]) -> None:
    """A budget of one is strictly sequential, and in the order of the plain driver."""
    assume(not any(isinstance(part, NestedSpec) for part in parts))  # a nested graph begins without a permit
    calls = CallLog()
    graph = build_graph(parts, calls)
    assume(graph is not None)
    assert graph is not None
    assert run_machine(graph, calls) == run_async(graph, calls, max_concurrency=1)
