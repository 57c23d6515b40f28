"""The short way, the machine in one thread and the machine on a loop come to the same."""

from __future__ import annotations

from hypothesis import assume

from tests.runners.graphs.local.programs import Calls, Inner, Part, built, by_machine, concurrent, programs, straight
from tests.suite.effort import tried


@tried(programs(), by_default=50, long=3000)
def test_straight_and_machine(parts: tuple[Part, ...]) -> None:
    calls = Calls()
    graph = built(parts, calls)
    assume(graph is not None)
    assert graph is not None
    assert straight(graph, calls) == by_machine(graph, calls)


@tried(programs(), by_default=50, long=1500)
def test_machine_and_loop(parts: tuple[Part, ...]) -> None:
    calls = Calls()
    graph, awaited = built(parts, calls), built(parts, calls, awaited=True)
    assume(graph is not None)
    assert graph is not None
    assert awaited is not None
    here, there = by_machine(graph, calls), concurrent(awaited, calls)
    if here.error is None:
        assert here == there
    else:  # what else was under way when the first node failed is a matter of time
        assert there.error is not None
        settled = {name: value for name, value in here.outputs.items() if "_count" not in name}
        assert all(there.outputs.get(name, value) == value for name, value in settled.items())


@tried(programs(), by_default=50, long=1500)
def test_one_at_a_time(parts: tuple[Part, ...]) -> None:
    """A budget of one is strictly sequential, and in the order of the plain driver."""
    assume(not any(isinstance(part, Inner) for part in parts))  # a nested graph begins without a permit
    calls = Calls()
    graph = built(parts, calls)
    assume(graph is not None)
    assert graph is not None
    assert by_machine(graph, calls) == concurrent(graph, calls, max_concurrency=1)
