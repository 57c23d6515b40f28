"""Seed 000: every example that needs no cron, tenants or PostgreSQL, from the seed's own text.

Two things are put in the place of what the page assumes: `import cloaca` finds Penstock, and database URLs of other
people's machines are exchanged for a file of the test.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import penstock
from penstock import Context, DefaultRunner, WorkflowBuilder, task
from tests.seeds.documents import blocks

Example = Callable[..., dict[str, Any]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Example]:
    monkeypatch.setitem(sys.modules, "cloaca", penstock)
    monkeypatch.chdir(tmp_path)
    for name in ("my_workflow", "workflow", "worker_workflow", "daily_report"):
        with WorkflowBuilder(name):

            @task(id="copy")
            def copy(context: Context) -> Context:
                for key in list(context):
                    context[f"{key}_copy"] = context[key]
                return context

    made: list[DefaultRunner] = []

    def example(number: int, *, until: str = "", **given: Any) -> dict[str, Any]:
        text = blocks("000")[number - 1]
        if until:
            assert until in text
            text = text[: text.index(until)]
        text = re.sub(r"postgresql://[^\"]*", "sqlite:///app.db", text)
        scope = {"cloaca": penstock, "datetime": datetime, "timedelta": timedelta, "context": Context({}), **given}
        exec(compile(text, f"<000-{number:02}>", "exec"), scope)
        made.extend(v for v in scope.values() if isinstance(v, DefaultRunner))
        return scope

    yield example
    for runner in made:
        runner.shutdown()


def test_000_01_constructor(run: Example, tmp_path: Path) -> None:
    scope = run(1, until="# PostgreSQL")
    assert (tmp_path / "app.db").exists()
    assert scope["runner"].execute("workflow", {"a": 1}).status == "Completed"


def test_000_01_both_runners_one_after_the_other(run: Example) -> None:
    run(1)  # the first runner is dropped without a shutdown


def test_000_02_with_config(run: Example) -> None:
    config = run(2)["runner"].config
    assert (config.max_concurrent_tasks, config.task_timeout_seconds) == (8, 600)


def test_000_04_execute(run: Example, capsys: pytest.CaptureFixture[str]) -> None:
    scope = run(4)
    assert capsys.readouterr().out == "Success!\n"
    assert scope["result"].status == "Completed"
    assert scope["result"].error_message is None
    assert scope["final_data"] == {"user_id": 123, "user_id_copy": 123}
    assert scope["context"].to_dict() == {"user_id": 123}


def test_000_14_shutdown(run: Example) -> None:
    scope = run(14)
    assert scope["result"].status == "Completed"
    scope["runner"].shutdown()
    with pytest.raises(ValueError):
        scope["runner"].execute("workflow", {})


def test_000_15_context_manager(run: Example, capsys: pytest.CaptureFixture[str]) -> None:
    scope = run(15)
    assert capsys.readouterr().out == "Success!\n"
    with pytest.raises(penstock.RunnerClosed):
        scope["runner"].submit("my_workflow")
    with pytest.raises(KeyError), scope["cloaca"].DefaultRunner("sqlite:///app.db") as runner:
        raise KeyError
    with pytest.raises(penstock.RunnerClosed):
        runner.submit("my_workflow")


def test_000_16_sqlite_urls(run: Example, tmp_path: Path) -> None:
    run(16)
    text = blocks("000")[15]
    (tmp_path / "path" / "to").mkdir(parents=True)
    for url in re.findall(r'"(sqlite:[^"]*)"', text):
        with DefaultRunner(url) as runner:
            assert runner.execute("workflow", {"a": 1}).final_context["a_copy"] == 1
    assert (tmp_path / "path" / "to" / "database.db").exists()
    assert (tmp_path / "app.db").exists()


def test_000_19_errors(run: Example, capsys: pytest.CaptureFixture[str]) -> None:
    with DefaultRunner("sqlite:///app.db") as runner:
        run(19, until="try:\n    runner.register_cron_workflow", runner=runner)
    first, _, second = capsys.readouterr().out.partition("Workflow not found: ")
    assert first.startswith("Invalid database URL: ")
    assert "nonexistent_workflow" in second


def test_000_20_pool(run: Example) -> None:
    assert run(20, database_url="sqlite:///app.db")["runner"].config.db_pool_size == 20


def test_000_21_concurrency(run: Example) -> None:
    runner = run(21, database_url="sqlite:///app.db")["runner"]
    together = threading.Barrier(16, timeout=20)  # passes only when sixteen bodies run at once
    with WorkflowBuilder("sixteen"):
        for k in range(16):

            @task(id=f"t{k}")
            def meet(context: Context) -> None:
                together.wait()

    assert runner.execute("sixteen").status == "Completed"


def test_000_22_timeouts(run: Example) -> None:
    config = run(22, database_url="sqlite:///app.db")["runner"].config
    assert config.task_timeout_seconds == 1800
    assert config.pipeline_timeout_seconds == config.workflow_timeout_seconds == 7200


def test_000_24_resources(run: Example) -> None:
    scope = run(24, database_url="sqlite:///app.db")
    with pytest.raises(penstock.RunnerClosed):
        scope["runner"].submit("workflow")


def test_000_25_execute_safely(run: Example, capsys: pytest.CaptureFixture[str]) -> None:
    with WorkflowBuilder("broken"):

        @task(id="boom")
        def boom(context: Context) -> None:
            raise ValueError("no such luck")

    safely = run(25)["execute_workflow_safely"]
    with DefaultRunner("sqlite:///app.db") as runner:
        assert safely(runner, "workflow", Context({"a": 1})).get("a_copy") == 1
        assert safely(runner, "broken", Context({})) is None
        assert safely(runner, "unknown", Context({})) is None
    said = capsys.readouterr().out
    assert "Workflow failed: task 'boom' failed: ValueError: no such luck" in said
    assert "Execution error: no workflow named 'unknown'" in said


def test_000_27_thread_safety(run: Example, capsys: pytest.CaptureFixture[str]) -> None:
    run(27)
    said = sorted(capsys.readouterr().out.splitlines())
    assert said == sorted(f"Thread {t}, iteration {i}: Completed" for t in range(4) for i in range(10))
