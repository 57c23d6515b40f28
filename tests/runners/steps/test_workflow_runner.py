"""Runners of steps: what they are given, what they give, how they live and end."""

from __future__ import annotations

import gc
import json
import logging
import os
import sqlite3
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from holdwater.errors import ConfigError, DatabaseURLError, RunnerClosed, StoreUnavailable
from holdwater.runners.steps import StepStatus, WorkflowRunner, WorkflowRunnerConfig, WorkflowStatus
from holdwater.runners.steps import open_store as open_store_module
from holdwater.steps import ErrorPolicy, Step, StepResult, Workflow, WorkflowContext
from holdwater.storage import open_store
from tests.runners.steps.conftest import MakeRunner, query_rows
from tests.runners.steps.shapes import BlockingHandler, Config, Context, FailingHandler, recording_step

# -- where runs are


class FakeEngine:
    """As much of an SQLAlchemy Engine as is looked at."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.url = SimpleNamespace(render_as_string=self._render)

    def _render(self, hide_password: bool = True) -> str:
        assert not hide_password
        return self._url


@pytest.mark.parametrize("form", ["url", "engine", "store"])
def test_forms_of_db_engine(make: MakeRunner, tmp_path: Path, form: str) -> None:
    url = f"sqlite:///{tmp_path}/app.db"
    given: Any = {"url": url, "engine": FakeEngine(url.replace("sqlite", "sqlite+pysqlite")), "store": None}[form]
    runner = make(open_store(url) if form == "store" else given)
    run_id = runner.execute(Workflow("w", [recording_step("a", [])])).run_id
    assert query_rows(url, "SELECT id, status FROM runs") == [(run_id, "completed")]


def test_a_real_engine(make: MakeRunner, tmp_path: Path) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    runner = make(sqlalchemy.create_engine(f"sqlite:///{tmp_path}/app.db"))
    assert runner.execute(Workflow("w", [recording_step("a", [])])).status == "completed"


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        (3, ConfigError, "SQLAlchemy Engine"),
        ("app.db", DatabaseURLError, "did you mean sqlite:///app.db"),
        ("mysql://host/db", DatabaseURLError, "no store for 'mysql'"),
        (FakeEngine("sqlite://"), DatabaseURLError, "in memory"),
        (FakeEngine("sqlite:///:memory:"), DatabaseURLError, "in memory"),
    ],
)
def test_engines_that_are_refused(given: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        WorkflowRunner(given)


def test_a_connection_is_no_engine(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "app.db")
    with pytest.raises(ConfigError, match="must be a database URL"):
        WorkflowRunner(connection)
    connection.close()


def test_a_server_that_is_down() -> None:
    with pytest.raises(StoreUnavailable):
        WorkflowRunner("postgresql://nobody@127.0.0.1:1/nothing").execute(Workflow("w", [recording_step("a", [])]))


def test_it_says_once_that_memory_is_not_durable(
    make: MakeRunner, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_store_module, "_logged_messages", set())
    caplog.set_level(logging.INFO, "holdwater.steps")
    make()
    make()
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "gone when it ends" in caplog.text


def test_partition_is_stored_and_can_be_queried(make: MakeRunner, database: str) -> None:
    result = make(database).execute(
        Workflow("w", [recording_step("a", [])]), partition={"day": "2026-01-10", "tier": 1}
    )
    assert (result.partition, dict(result.context.partition)) == ({"day": "2026-01-10", "tier": 1},) * 2
    part = "partition'" if database.startswith("postgresql") else "$.partition.tier'"
    column = (
        f"(context_snapshot::json -> '{part} ->> 'tier')"
        if part == "partition'"
        else (f"json_extract(context_snapshot, '{part})")
    )
    found = query_rows(database, f"SELECT run_id FROM core_workflow_checkpoints WHERE CAST({column} AS TEXT) = '1'")
    assert found == [(result.run_id,)]


# -- results


def test_a_result_in_full(make: MakeRunner) -> None:
    def skips(ctx: Context, config: Config) -> StepResult:
        return StepResult.skip("nothing to do")

    steps = [
        recording_step("a", []),
        Step.lambda_("skips", skips),
        Step.lambda_("fails", FailingHandler(9), on_error=ErrorPolicy.CONTINUE),
        Step.choice("choice", lambda ctx: True, "last"),
        recording_step("jumped", []),
        recording_step("last", []),
    ]
    runner = make()
    result = runner.execute(Workflow("full", steps), params={"x": [1]})
    assert result.status == "completed"
    assert f"{result.status}" == "completed"
    assert isinstance(result.status, WorkflowStatus)
    assert result.completed_steps == ["a", "choice", "last"]
    assert (result.skipped_steps, result.failed_steps) == (["skips", "jumped"], ["fails"])
    assert (result.error_step, result.error, result.error_category) == ("fails", "not yet", "INTERNAL")
    assert (result.total_steps, result.workflow_name) == (6, "full")
    metrics = {m.name: m for m in result.step_metrics}
    assert list(metrics) == ["a", "skips", "fails", "choice", "jumped", "last"]
    assert (metrics["a"].output_size, metrics["a"].attempts, metrics["a"].step_type) == (12, 1, "lambda")
    assert (metrics["fails"].status, metrics["fails"].error) == (StepStatus.FAILED, "not yet")
    assert metrics["jumped"].attempts == 0
    assert result.completed_at is not None
    assert result.completed_at >= result.started_at
    assert 0 <= result.duration_ms == pytest.approx(result.duration_seconds * 1000)
    assert json.loads(json.dumps(result.to_dict()))["context"]["params"]["x"] == [1]
    assert runner.get_run(result.run_id).to_dict() == result.to_dict()


def test_the_first_failed_step_is_named_unless_another_one_failed_the_run(make: MakeRunner) -> None:
    first = Step.lambda_("first", FailingHandler(9), on_error=ErrorPolicy.CONTINUE)
    result = make().execute(
        Workflow("w", [first, Step.lambda_("fatal", FailingHandler(9)), recording_step("never", [])])
    )
    assert (result.status, result.error_step, result.failed_steps) == ("failed", "fatal", ["first", "fatal"])


def test_nothing_a_handler_changes_leaks(make: MakeRunner) -> None:
    given = {"rows": [1]}

    def changes(ctx: Context, config: Config) -> Config:
        ctx.params["rows"].append(2)
        config["x"] = 1
        return {"seen": list(ctx.params["rows"])}

    def looks(ctx: Context, config: Config) -> Config:
        return {"rows": ctx.params["rows"], "config": dict(config)}

    steps = [Step.lambda_("a", changes, config={"y": 1}), Step.lambda_("b", looks, config={"y": 1})]
    result = make().execute(Workflow("w", steps), params=given)
    assert given == {"rows": [1]}
    assert result.context.get_output("b") == {"rows": [1], "config": {"y": 1}}


def test_what_cannot_be_stored_fails_its_step(make: MakeRunner) -> None:
    def handler(ctx: Context, config: Config) -> StepResult:
        return StepResult.ok({"deep": {"bad": object()}})

    result = make().execute(Workflow("w", [Step.lambda_("a", handler)]))
    assert result.status == "failed"
    assert "'a'" in (result.error or "")
    assert "bad" in (result.error or "")


@pytest.mark.parametrize("given", [3, "text", [1]])
def test_handlers_that_return_something_else(make: MakeRunner, given: Any) -> None:
    result = make().execute(Workflow("w", [Step.lambda_("a", lambda ctx, config: given)]))
    assert (result.status, result.error_step) == ("failed", "a")
    assert "StepResult.ok" in (result.error or "")


def test_two_hundred_steps_with_large_outputs(make: MakeRunner) -> None:
    numbers = list(range(1000))
    steps = [Step.lambda_(f"s{i}", lambda ctx, config: {"numbers": numbers}) for i in range(200)]
    runner = make()
    result = runner.execute(Workflow("large", steps))
    assert len(result.completed_steps) == 200
    assert result.duration_ms < 5_000  # a copy of all outputs at each step would take many times that
    assert len(runner.get_events(result.run_id)) == 402


# -- several at once


def test_one_runner_and_many_threads(make: MakeRunner, database: str) -> None:
    runner = make(database)

    def double(ctx: Context, config: Config) -> Config:
        return {"twice": ctx.params["n"] * 2}

    workflow = Workflow("many", [Step.lambda_("a", double), Step.lambda_("b", double)])
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda n: runner.execute(workflow, params={"n": n}), range(40)))
    assert [r.context.get_output("b", "twice") for r in results] == [2 * n for n in range(40)]
    assert len({r.run_id for r in results}) == 40


def test_workflows_of_one_name_at_once(make: MakeRunner) -> None:
    runner, gate = make(), BlockingHandler()
    first = Workflow("same", [Step.lambda_("a", gate), Step.lambda_("b", lambda ctx, config: {"from": "first"})])
    second = Workflow("same", [Step.lambda_("other", lambda ctx, config: {"from": "second"})])
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(runner.execute, first)
        assert gate.started.wait(30)
        assert runner.execute(second).context.get_output("other", "from") == "second"
        gate.released.set()
        assert future.result().context.get_output("b", "from") == "first"


# -- the end


def test_nothing_runs_before_the_first_workflow_and_after_the_end(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    runner = WorkflowRunner(f"sqlite:///{tmp_path}/app.db")
    assert set(threading.enumerate()) == before
    runner.execute(
        Workflow(
            "w", [recording_step("a", []), Step.map("m", items=[1], iterator=Workflow(steps=[recording_step("i", [])]))]
        )
    )
    runner.close()
    runner.close()
    assert {t for t in set(threading.enumerate()) - before if t.is_alive()} == set()
    assert list(tmp_path.glob("*.lock")) == []
    with pytest.raises(RunnerClosed):
        runner.execute(Workflow("w", [recording_step("a", [])]))


def test_a_runner_that_nobody_closes_is_collected(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    runner = WorkflowRunner(f"sqlite:///{tmp_path}/app.db")

    @runner.middleware
    def around(step: Step, context: WorkflowContext, next_fn: Any) -> StepResult:
        result: StepResult = next_fn(step, context)
        return result

    failed = runner.execute(Workflow("w", [Step.lambda_("a", FailingHandler(1))]))
    runner.resume(failed.run_id)
    gone = weakref.ref(runner)
    del runner
    gc.collect()
    assert gone() is None
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
    assert set(threading.enumerate()) <= before


def test_a_runner_that_was_never_used_is_collected(tmp_path: Path) -> None:
    WorkflowRunner(f"sqlite:///{tmp_path}/app.db")
    gc.collect()
    assert list(tmp_path.glob("*.lock")) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_begins_with_an_empty_memory(make: MakeRunner) -> None:
    runner = make()
    run_id = runner.execute(Workflow("w", [recording_step("a", [])])).run_id
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        told = b"nothing"
        try:
            own = WorkflowRunner()
            done = own.execute(Workflow("w", [recording_step("a", [])]))
            try:
                own.get_run(run_id)
            except ValueError:
                told = str(done.status).encode()
        finally:
            os.write(write, told)
            os._exit(0)
    os.close(write)
    assert os.read(read, 100) == b"completed"
    os.close(read)
    os.waitpid(child, 0)
    assert runner.get_run(run_id).status == "completed"


def test_repr(tmp_path: Path) -> None:
    with WorkflowRunner(f"sqlite:///{tmp_path}/app.db", dry_run=True) as runner:
        assert "dry_run=True" in repr(runner)
    assert WorkflowRunnerConfig() == WorkflowRunnerConfig()
