"""Marks of nodes in each state a run can show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from holdwater import DefaultRunner
from holdwater.graphs import Graph, interrupt
from holdwater.runs.node_marks import node_marks
from holdwater.runs.view import RunView
from tests.suite.runners import Define, Gate
from tests.suite.waiting import poll_pause


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/runs.db"


def view_of(runner: DefaultRunner, run_id: str) -> RunView:
    return runner._engine.reader.view(run_id)


def passes(context: Any) -> None:
    pass


def fails(context: Any) -> None:
    raise ValueError("no")


def test_ended_nodes(runner: DefaultRunner, define: Define) -> None:
    define("w", ("a", passes, {}), ("b", fails, {"dependencies": ["a"]}), ("c", passes, {"dependencies": ["b"]}))
    assert node_marks(view_of(runner, runner.execute("w").run_id)) == {
        "a": "completed", "b": "failed", "c": "skipped",
    }  # fmt: skip


def test_a_node_that_runs_and_one_that_has_not_begun(runner: DefaultRunner, define: Define, gate: Gate) -> None:
    define("w", ("a", lambda context: gate(), {}), ("b", passes, {"dependencies": ["a"]}))
    handle = runner.submit("w")
    gate.wait_started()
    assert node_marks(view_of(runner, handle.run_id)) == {"a": "running", "b": "pending"}
    gate.open.set()
    handle.result()


def test_a_retry_that_is_due_later(runner: DefaultRunner, define: Define, gate: Gate) -> None:
    def fails_behind_the_gate(context: Any) -> None:
        gate()
        raise ValueError("no")

    define("w", ("a", fails_behind_the_gate, {"retry_attempts": 2, "retry_delay_ms": 3_600_000}))
    handle = runner.submit("w")
    gate.wait_started()
    gate.open.set()
    while node_marks(view_of(runner, handle.run_id)) != {"a": "waiting"}:  # bounded by the test's time-out
        poll_pause()
    runner.pause(handle.run_id)
    assert node_marks(view_of(runner, handle.run_id)) == {"a": "paused"}
    runner.cancel(handle.run_id)
    assert node_marks(view_of(runner, handle.run_id)) == {"a": "cancelled"}


@interrupt(answer_name="verdict", response_type=str)
def ask(draft: str) -> str:
    return draft


def test_a_question(runner: DefaultRunner) -> None:
    graph = Graph([ask], name="asking")
    run = view_of(runner, runner.execute(graph, {"draft": "x"}).run_id)
    assert node_marks(run) == {"ask": "awaiting_input"}
