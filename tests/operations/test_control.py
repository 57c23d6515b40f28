"""Controlling runs: in one process, and by an engine that has no code of the workflow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holdwater import DefaultRunner
from holdwater.engine import Engine
from holdwater.errors import (
    AnswerError,
    ConfigError,
    IdempotencyConflict,
    InvalidArgument,
    InvalidTransition,
    PauseNotFound,
    RunNotFound,
    TaskNotFound,
)
from holdwater.events.run_events import RunCancelRequested
from holdwater.graphs import Graph, interrupt
from holdwater.model.registry import registry
from holdwater.model.statuses import RunStatus
from holdwater.operations import control
from holdwater.operations.databases import open_for_control
from tests.suite.runners import Define, Gate, define, gate

__all__ = ["define", "gate"]

SOON_SECONDS = 20.0


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/runs.db"


@pytest.fixture
def runner(url: str) -> Iterator[DefaultRunner]:
    with DefaultRunner(url) as made:
        yield made


@pytest.fixture
def engine(runner: DefaultRunner, url: str) -> Iterator[Engine]:
    """In a file: an engine without any workflow, as another process has it."""
    if url == "memory://":
        yield runner._engine
        return
    with open_for_control(url) as made:
        yield made


def test_cancel(runner: DefaultRunner, engine: Engine, define: Define, gate: Gate) -> None:
    define("w", ("a", lambda context: gate(), {}), ("b", lambda context: None, {"dependencies": ["a"]}))
    handle = runner.submit("w")
    gate.wait_started()
    asked = control.cancel_run(engine, handle.run_id, "enough")
    assert (asked.run.status, asked.executing_tasks, asked.is_claimed) == (RunStatus.RUNNING, ("a",), True)
    with pytest.raises(InvalidTransition, match="already being cancelled"):
        control.cancel_run(engine, handle.run_id)
    assert control.cancel_run(engine, handle.run_id, wait_seconds=0.0).run.status == RunStatus.RUNNING
    gate.open.set()
    over = control.cancel_run(engine, handle.run_id, wait_seconds=SOON_SECONDS)
    assert (over.run.status, over.run.reason, over.executing_tasks) == (RunStatus.CANCELLED, "enough", ())
    with pytest.raises(InvalidTransition):
        control.pause_run(engine, handle.run_id)


def test_pause_and_resume(runner: DefaultRunner, engine: Engine, define: Define, gate: Gate) -> None:
    define("w", ("a", lambda context: gate(), {}), ("b", lambda context: None, {"dependencies": ["a"]}))
    handle = runner.submit("w")
    gate.wait_started()
    paused = control.pause_run(engine, handle.run_id, "lunch")
    assert (paused.run.status, paused.run.reason, paused.executing_tasks) == (RunStatus.PAUSED, "lunch", ("a",))
    gate.open.set()
    control.resume_run(engine, handle.run_id, pickup_seconds=0.0)
    assert handle.result(SOON_SECONDS).status == "Completed"
    with pytest.raises(InvalidTransition, match="it is completed"):
        control.resume_run(engine, handle.run_id)


def test_every_request_is_recorded_with_its_author(
    runner: DefaultRunner, engine: Engine, define: Define, gate: Gate
) -> None:
    define(
        "w",
        ("a", lambda context: gate(), {}),
        ("b", lambda context: 1 / 0, {"dependencies": ["a"], "retry_attempts": 1}),
    )
    handle = runner.submit("w")
    gate.wait_started()
    control.pause_run(engine, handle.run_id, "lunch", by="cli:ann")
    assert engine.reader.view(handle.run_id).steered_by == "cli:ann"
    control.resume_run(engine, handle.run_id, "back", by="ui")
    gate.open.set()
    assert handle.result(SOON_SECONDS).status == engine.wait_for_run(handle.run_id, SOON_SECONDS).status.capitalize()
    control.retry_run(engine, handle.run_id, "again", by="api:ci")
    runner.handle(handle.run_id).result(SOON_SECONDS)
    events = [e.to_dict() for e in engine.reader.view(handle.run_id).events]
    asked = [(e["type"], e["reason"], e["by"]) for e in events if e.get("requested")]
    assert asked == [
        ("workflow_paused", "lunch", "cli:ann"),
        ("workflow_resumed", "back", "ui"),
        ("workflow_resumed", "again", "api:ci"),
    ]
    assert next(e["by"] for e in events if e["type"] == "workflow_started") == "code"
    with pytest.raises(InvalidArgument, match="author"):
        control.retry_run(engine, handle.run_id, by="a\nb")


def test_retry(runner: DefaultRunner, engine: Engine, define: Define) -> None:
    fail = [True]

    def fails_once(context: Any) -> None:
        if fail[0]:
            raise ValueError("not yet")

    define("w", ("a", fails_once, {"retry_attempts": 1}))
    handle = runner.submit("w")
    assert handle.result(SOON_SECONDS).status == "Failed"
    fail[0] = False
    control.retry_run(engine, handle.run_id, "now", pickup_seconds=SOON_SECONDS)
    assert runner.handle(handle.run_id).result(SOON_SECONDS).status == "Completed"
    with pytest.raises(InvalidTransition, match="nothing to retry"):
        control.retry_run(engine, handle.run_id)


def test_fork(runner: DefaultRunner, engine: Engine, define: Define) -> None:
    define(
        "w",
        ("a", lambda context: {"x": 2}, {}),
        ("b", lambda context: {"y": 10 * context["x"]}, {"dependencies": ["a"]}),
    )
    source = runner.execute("w").run_id
    fork = control.fork_run(engine, source, "b", {"x": 3}, idempotency_key="k", pickup_seconds=SOON_SECONDS)
    assert fork.run.forked_from == source
    assert runner.handle(fork.run.id).result(SOON_SECONDS).final_context["y"] == 30
    assert control.fork_run(engine, source, "b", {"x": 3}, idempotency_key="k").run.id == fork.run.id
    with pytest.raises(IdempotencyConflict):
        control.fork_run(engine, source, "b", {"x": 4}, idempotency_key="k")
    with pytest.raises(TaskNotFound):
        control.fork_run(engine, source, "c")
    with pytest.raises(ConfigError, match="does not see 'z'"):
        control.fork_run(engine, source, "b", removed=["z"])


@interrupt(answer_name="count", response_type=int)
def ask() -> str | None:
    return "how many?"


def test_an_answer_and_a_cancel_are_recorded_with_their_authors(runner: DefaultRunner, engine: Engine) -> None:
    graph = Graph([ask], name="asks")
    try:
        answered, cancelled = (runner.execute(graph).run_id for _ in range(2))
        control.answer_pause(engine, answered, control.find_pause(engine, answered), 3, by="cli:ann")
        assert engine.reader.view(answered).steered_by == "cli:ann"
        control.cancel_run(engine, cancelled, "enough", by="cli:bob")
        view = engine.reader.view(cancelled)
        assert (view.steered_by, view.info.reason) == ("cli:bob", "enough")
        (said,) = [e for e in view.events if isinstance(e, RunCancelRequested)]
        assert said.by == "cli:bob"
    finally:
        registry.unregister("asks")


def test_answer(runner: DefaultRunner, engine: Engine) -> None:
    graph = Graph([ask], name="asks")
    try:
        run_id = runner.execute(graph).run_id
        pause = control.find_pause(engine, run_id)
        assert (pause.pause_id, pause.answer_name, pause.value) == ("ask", "count", "how many?")
        assert control.find_pause(engine, run_id, "count") == control.find_pause(engine, run_id, "ask") == pause
        with pytest.raises(PauseNotFound):
            control.find_pause(engine, run_id, "amount")
        with pytest.raises(AnswerError):
            control.answer_pause(engine, run_id, pause, "many")
        control.answer_pause(engine, run_id, pause, 3, pickup_seconds=SOON_SECONDS)
        assert runner.handle(run_id).result(SOON_SECONDS).final_context["count"] == 3
        with pytest.raises(PauseNotFound, match="was answered already"):
            control.answer_pause(engine, run_id, pause, 4)
    finally:
        registry.unregister("asks")


@pytest.mark.parametrize(
    "request_",
    [
        control.cancel_run,
        control.pause_run,
        control.resume_run,
        control.retry_run,
        control.inspect_run,
        control.find_pause,
    ],
)
def test_a_run_that_is_not_there(engine: Engine, request_: Any) -> None:
    with pytest.raises(RunNotFound):
        request_(engine, "none")


def test_executing(runner: DefaultRunner, define: Define, gate: Gate) -> None:
    define("w", ("a", lambda context: gate(), {}))
    handle = runner.submit("w")
    gate.wait_started()
    assert handle.is_executing_here()
    gate.open.set()
    handle.result(SOON_SECONDS)
    assert not handle.is_executing_here()
