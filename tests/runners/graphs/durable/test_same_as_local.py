"""A graph comes to the same in memory and on the record."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import assume

from holdwater.runners.graphs import RunResult, SyncRunner
from holdwater.runners.graphs.durable.checkpointers import MemoryCheckpointer
from tests.runners.graphs.local.programs import Calls, Part, built, by_machine, inputs_of, programs
from tests.suite.effort import tried


@pytest.fixture
def runner() -> Iterator[SyncRunner]:
    with MemoryCheckpointer() as checkpointer:
        yield SyncRunner(checkpointer=checkpointer)


def _compared(runner: SyncRunner, parts: tuple[Part, ...]) -> None:
    calls = Calls()
    graph = built(parts, calls)
    assume(graph is not None)
    assert graph is not None
    here = by_machine(graph, calls)
    there: RunResult = runner.run(graph, inputs_of(graph), select=["*"], error_handling="continue")
    assert (there.error is None) == (here.error is None)
    if here.error is None:
        assert (dict(there), calls.take()) == (here.outputs, here.calls)
    else:  # siblings of the node that failed may have been under way
        settled = {name: value for name, value in here.outputs.items() if "_count" not in name}
        assert all(there.outputs.get(name, value) == value for name, value in settled.items())


@tried(programs(), by_default=25, long=2000)
def test_random_graphs(runner: SyncRunner, parts: tuple[Part, ...]) -> None:
    _compared(runner, parts)
