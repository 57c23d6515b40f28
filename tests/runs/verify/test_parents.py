"""What the checker says of runs that fan out and of their children."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holdwater import DefaultRunner
from holdwater.errors import InvalidTransition
from holdwater.model.registry import registry
from holdwater.runs.verify.checker import StoreChecker
from holdwater.runs.verify.parents import REACTION_GRACE_US
from holdwater.runtime.clock import SystemClock
from holdwater.steps import Step, Workflow, WorkflowContext, register_workflow
from holdwater.storage import open_store
from tests.suite.runners import SOON_SECONDS, Gate

FAR = 1 << 61


class Squares:
    """A workflow that maps a workflow over 0 to 4, in the midst of other steps; `gate` is behind one child's back."""

    def __init__(self) -> None:
        self.gate, self.gated = Gate(), -1
        self.failing: set[int] = set()
        inner = Workflow("square", [Step.lambda_("root", self._root), Step.lambda_("square", self._square)])
        register_workflow(
            Workflow(
                "squares",
                [
                    Step.lambda_("first", lambda ctx, config: {"items": list(range(5))}),
                    Step.map(
                        "map", lambda ctx: ctx.get_output("first", "items"), item_param="x", iterator=inner,
                        max_concurrency=2,
                    ),
                    Step.lambda_("last", lambda ctx, config: {"sum": ctx.get_output("map", "completed")}),
                ],
            )
        )  # fmt: skip

    def _root(self, ctx: WorkflowContext, config: dict[str, Any]) -> dict[str, Any]:
        if ctx.params["x"] == self.gated:
            self.gate()
        return {"x": ctx.params["x"]}

    def _square(self, ctx: WorkflowContext, config: dict[str, Any]) -> dict[str, Any]:
        if ctx.params["x"] in self.failing:
            raise ValueError("no")
        return {"y": ctx.params["x"] ** 2}


@pytest.fixture
def squares() -> Iterator[Squares]:
    yield Squares()
    registry.unregister("squares")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/runs.db"


def violations(url: str, now: Callable[[], int] | None = None) -> list[str]:
    store = open_store(f"{url}?mode=ro")
    try:
        return [str(violation) for violation in StoreChecker(store, now or SystemClock().now).find_violations()]
    finally:
        store.close()


def child(run_id: str, item: int) -> str:
    return f"{run_id}/map.1.{item}"


def test_families_of_the_engine_are_sound(url: str, runner: DefaultRunner, squares: Squares) -> None:
    squares.gated = 2
    handle = runner.submit("squares", {})
    squares.gate.wait_begun()
    assert violations(url) == [], "children run, others have ended, others are not born yet"
    squares.gate.open.set()
    assert handle.result(SOON_SECONDS).status == "Completed"
    for step in ("first", "map", "last"):
        fork = runner.fork(handle.run_id, step).result(SOON_SECONDS)
        assert (fork.status, fork.final_context["last"]) == ("Completed", {"sum": 5})
    assert len(runner.list_runs(top_level=True)) == 4
    assert violations(url) == []


def test_a_fan_that_is_tried_again_is_sound(url: str, runner: DefaultRunner, squares: Squares) -> None:
    squares.failing = {1, 3}
    run_id = runner.execute("squares", {}).run_id
    assert runner.get_run(run_id).status == "Failed"
    assert violations(url) == []
    squares.failing = set()
    runner.retry(run_id)
    assert runner.handle(run_id).result(SOON_SECONDS).status == "Completed"
    runner._engine.resume(run_id, start=1)
    assert runner.handle(run_id).result(SOON_SECONDS).status == "Completed"
    assert violations(url) == []


def test_a_result_that_is_recorded_again_is_one_only_if_it_was_taken_back(
    url: str, runner: DefaultRunner, squares: Squares, tmp_path: Path
) -> None:
    run_id = runner.execute("squares", {}).run_id
    runner._engine.resume(run_id, start=2)
    assert runner.handle(run_id).result(SOON_SECONDS).status == "Completed"
    assert violations(url) == []
    with pytest.raises(InvalidTransition):
        runner._engine.resume(run_id)
    runner.shutdown()
    first = """SELECT value FROM journal, json_each(entries) WHERE run_id = :run
               AND json_extract(value, '$[0]') = 'succeeded' AND json_extract(value, '$[1]') = 0"""
    doctor(
        tmp_path,
        f"""INSERT INTO journal SELECT id, seq + 1, {FAR}, json_array(json_array('resumed', ''), json(({first})))
            FROM runs WHERE id = :run""",
        run=run_id,
    )
    assert any("task 'first' has two recorded results" in found for found in violations(url))


def test_a_child_that_rests_is_there(url: str, runner: DefaultRunner, squares: Squares, tmp_path: Path) -> None:
    squares.gated = 1
    handle = runner.submit("squares", {})
    squares.gate.wait_begun()
    runner.pause(child(handle.run_id, 1))
    squares.gate.open.set()
    assert handle.result(SOON_SECONDS).status == "Paused"
    assert violations(url) == []
    runner.shutdown()
    for table, column in (("runs", "id"), ("journal", "run_id"), ("work", "run_id")):
        doctor(tmp_path, f"DELETE FROM {table} WHERE {column} = :run", run=child(handle.run_id, 1))
    (found,) = violations(url)
    assert found.startswith(f"I6 run {handle.run_id}: task 'map' waits for its child, run {child(handle.run_id, 1)}")


def test_a_child_without_its_parent(url: str, runner: DefaultRunner, squares: Squares, tmp_path: Path) -> None:
    run_id = runner.execute("squares", {}).run_id
    runner.shutdown()
    doctor(tmp_path, "DELETE FROM runs WHERE id = :run", run=run_id)
    assert violations(url) == [
        f"I6 run {child(run_id, item)}: its parent, run {run_id}, is not in the store" for item in range(5)
    ]


@pytest.fixture
def running(runner: DefaultRunner, squares: Squares) -> Iterator[str]:
    """A run whose third child is at work, until the test is over."""
    squares.gated = 2
    handle = runner.submit("squares", {})
    squares.gate.wait_begun()
    while len(runner._engine.load_run(handle.run_id).machine.fan_outs[1].results_by_index) < 4:
        pass  # the others end; whoever changes the store behind the runner's back must not be overwritten by it
    yield handle.run_id
    squares.gate.open.set()


def test_a_child_that_outlives_its_parent_is_a_stray(url: str, running: str, tmp_path: Path) -> None:
    now = SystemClock().now()
    ended = "UPDATE runs SET status = 'failed', finished_at = :at WHERE id = :run"
    doctor(tmp_path, ended, run=running, at=now)
    stray = f"I6 run {child(running, 2)}: it is running, although its parent, run {running}, failed"
    assert not [found for found in violations(url, lambda: now + REACTION_GRACE_US) if found.startswith(stray)]
    assert [found for found in violations(url, lambda: now + REACTION_GRACE_US + 1) if found.startswith(stray)]


def test_a_child_whose_end_nobody_has_told(url: str, running: str, tmp_path: Path) -> None:
    now = SystemClock().now()
    doctor(tmp_path, "UPDATE runs SET status = 'cancelled', finished_at = :at WHERE id = :run",
           run=child(running, 2), at=now)  # fmt: skip
    doctor(tmp_path, f"UPDATE work SET lease_until = {FAR} WHERE run_id = :run", run=running)
    untold = f"I6 run {running}: task 'map' waits for its child, run {child(running, 2)}, which was cancelled"
    assert not [found for found in violations(url, lambda: now + REACTION_GRACE_US) if found.startswith(untold)]
    assert [found for found in violations(url, lambda: now + REACTION_GRACE_US + 1) if found.startswith(untold)]
    doctor(tmp_path, "UPDATE work SET owner = NULL, lease_until = 0 WHERE run_id = :run", run=running)
    late = violations(url, lambda: now + REACTION_GRACE_US + 1)
    assert not [found for found in late if found.startswith(untold)], "whoever takes it up looks"


def doctor(place: Path, statement: str, **parameters: Any) -> None:
    db = sqlite3.connect(place / "runs.db", isolation_level=None)
    assert db.execute(statement, parameters).rowcount, "the doctor missed"
    db.close()
