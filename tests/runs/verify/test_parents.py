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
from holdwater.model.time import Micros
from holdwater.runs.verify.checker import StoreChecker
from holdwater.runs.verify.parents import REACTION_GRACE_US
from holdwater.runtime.clock import SystemClock
from holdwater.steps import Step, Workflow, WorkflowContext, register_workflow
from holdwater.storage import open_store
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Gate

FAR_FUTURE = 1 << 61


class SquaresWorkflow:
    """A workflow that maps a workflow over 0 to 4, in the midst of other steps; `gate` is behind one child's back."""

    def __init__(self) -> None:
        self.gate, self.gated_item = Gate(), -1
        self.failing_items: set[int] = set()
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
        if ctx.params["x"] == self.gated_item:
            self.gate()
        return {"x": ctx.params["x"]}

    def _square(self, ctx: WorkflowContext, config: dict[str, Any]) -> dict[str, Any]:
        if ctx.params["x"] in self.failing_items:
            raise ValueError("no")
        return {"y": ctx.params["x"] ** 2}


@pytest.fixture
def squares() -> Iterator[SquaresWorkflow]:
    yield SquaresWorkflow()
    registry.unregister("squares")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/runs.db"


def violations(url: str, now: Callable[[], Micros] | None = None) -> list[str]:
    store = open_store(f"{url}?mode=ro")
    try:
        return [str(violation) for violation in StoreChecker(store, now or SystemClock().now).find_violations()]
    finally:
        store.close()


def child_run_id(run_id: str, index: int) -> str:
    return f"{run_id}/map.1.{index}"


def test_parents_and_children_have_no_violations(url: str, runner: DefaultRunner, squares: SquaresWorkflow) -> None:
    squares.gated_item = 2
    handle = runner.submit("squares", {})
    squares.gate.wait_started()
    assert violations(url) == [], "children run, others have ended, others are not born yet"
    squares.gate.open.set()
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    for step in ("first", "map", "last"):
        fork = runner.fork(handle.run_id, step).result(SIGNAL_TIMEOUT_SECONDS)
        assert (fork.status, fork.final_context["last"]) == ("Completed", {"sum": 5})
    assert len(runner.list_runs(top_level=True)) == 4
    assert violations(url) == []


def test_a_retried_fan_out_has_no_violations(url: str, runner: DefaultRunner, squares: SquaresWorkflow) -> None:
    squares.failing_items = {1, 3}
    run_id = runner.execute("squares", {}).run_id
    assert runner.get_run(run_id).status == "Failed"
    assert violations(url) == []
    squares.failing_items = set()
    runner.retry(run_id)
    assert runner.handle(run_id).result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    runner._engine.control.continue_here(run_id, start=1)
    assert runner.handle(run_id).result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    assert violations(url) == []


def test_a_result_that_is_recorded_again_is_one_only_if_it_was_taken_back(
    url: str, runner: DefaultRunner, squares: SquaresWorkflow, tmp_path: Path
) -> None:
    run_id = runner.execute("squares", {}).run_id
    runner._engine.control.continue_here(run_id, start=2)
    assert runner.handle(run_id).result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    assert violations(url) == []
    with pytest.raises(InvalidTransition):
        runner._engine.control.continue_here(run_id)
    runner.shutdown()
    first = """SELECT value FROM journal, json_each(entries) WHERE run_id = :run
               AND json_extract(value, '$[0]') = 'succeeded' AND json_extract(value, '$[1]') = 0"""
    edit_database(
        tmp_path,
        f"""INSERT INTO journal SELECT id, seq + 1, {FAR_FUTURE}, json_array(json_array('resumed', ''), json(({first})))
            FROM runs WHERE id = :run""",
        run=run_id,
    )
    assert any("task 'first' has two recorded results" in found for found in violations(url))


def test_a_paused_child_exists(url: str, runner: DefaultRunner, squares: SquaresWorkflow, tmp_path: Path) -> None:
    squares.gated_item = 1
    handle = runner.submit("squares", {})
    squares.gate.wait_started()
    runner.pause(child_run_id(handle.run_id, 1))
    squares.gate.open.set()
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Paused"
    assert violations(url) == []
    runner.shutdown()
    for table, column in (("runs", "id"), ("journal", "run_id"), ("work", "run_id")):
        edit_database(tmp_path, f"DELETE FROM {table} WHERE {column} = :run", run=child_run_id(handle.run_id, 1))
    (found,) = violations(url)
    assert found.startswith(
        f"I6 run {handle.run_id}: task 'map' waits for its child, run {child_run_id(handle.run_id, 1)}"
    )


def test_a_child_without_its_parent(url: str, runner: DefaultRunner, squares: SquaresWorkflow, tmp_path: Path) -> None:
    run_id = runner.execute("squares", {}).run_id
    runner.shutdown()
    edit_database(tmp_path, "DELETE FROM runs WHERE id = :run", run=run_id)
    assert violations(url) == [
        f"I6 run {child_run_id(run_id, item)}: its parent, run {run_id}, is not in the store" for item in range(5)
    ]


def _finished_children(runner: DefaultRunner, run_id: str) -> int:
    children = runner._engine.reader.view(run_id).fan_outs.get("map", ())
    return sum(child.status == "completed" for child in children)


@pytest.fixture
def running(runner: DefaultRunner, squares: SquaresWorkflow) -> Iterator[str]:
    """A run whose third child is at work, until the test is over."""
    squares.gated_item = 2
    handle = runner.submit("squares", {})
    squares.gate.wait_started()
    while _finished_children(runner, handle.run_id) < 4:
        pass  # the others end; whoever changes the store behind the runner's back must not be overwritten by it
    yield handle.run_id
    squares.gate.open.set()


def test_a_child_that_outlives_its_parent_is_orphaned(url: str, running: str, tmp_path: Path) -> None:
    now = SystemClock().now()
    ended = "UPDATE runs SET status = 'failed', finished_at = :at WHERE id = :run"
    edit_database(tmp_path, ended, run=running, at=now)
    stray = f"I6 run {child_run_id(running, 2)}: it is running, although its parent, run {running}, failed"
    assert not [found for found in violations(url, lambda: Micros(now + REACTION_GRACE_US)) if found.startswith(stray)]
    assert [found for found in violations(url, lambda: Micros(now + REACTION_GRACE_US + 1)) if found.startswith(stray)]


def test_a_child_whose_end_was_not_reported(url: str, running: str, tmp_path: Path) -> None:
    now = SystemClock().now()
    edit_database(tmp_path, "UPDATE runs SET status = 'cancelled', finished_at = :at WHERE id = :run",
           run=child_run_id(running, 2), at=now)  # fmt: skip
    edit_database(tmp_path, f"UPDATE work SET lease_until = {FAR_FUTURE} WHERE run_id = :run", run=running)
    untold = f"I6 run {running}: task 'map' waits for its child, run {child_run_id(running, 2)}, which was cancelled"
    assert not [found for found in violations(url, lambda: Micros(now + REACTION_GRACE_US)) if found.startswith(untold)]
    assert [found for found in violations(url, lambda: Micros(now + REACTION_GRACE_US + 1)) if found.startswith(untold)]
    edit_database(tmp_path, "UPDATE work SET owner = NULL, lease_until = 0 WHERE run_id = :run", run=running)
    late = violations(url, lambda: Micros(now + REACTION_GRACE_US + 1))
    assert not [found for found in late if found.startswith(untold)], "whoever takes it up looks"


def edit_database(directory: Path, statement: str, **parameters: Any) -> None:
    db = sqlite3.connect(directory / "runs.db", isolation_level=None)
    assert db.execute(statement, parameters).rowcount, "the doctor missed"
    db.close()
