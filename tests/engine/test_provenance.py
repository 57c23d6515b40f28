"""Runs say where they come from: through each door, and for children, forks and schedules."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from holdwater import Context, DefaultRunner, TaskHandle, WorkflowRunner
from holdwater.errors import InvalidArgument
from holdwater.operations import control
from holdwater.steps import Workflow
from tests.runners.steps.shapes import recording_step
from tests.suite.runners import Define, define
from tests.suite.waiting import poll_pause

__all__ = ["define"]


@pytest.fixture
def runner() -> Iterator[DefaultRunner]:
    with DefaultRunner("memory://") as made:
        yield made


def test_a_run_started_by_code_and_for_someone_else(runner: DefaultRunner, define: Define) -> None:
    define("w", ("a", lambda context: None, {}))
    plain = runner.execute("w")
    assert (plain.origin, plain.started_by, plain.labels) == ("code", "code", {})
    asked = runner.submit("w", labels={"env": "prod", "app": "x"}, started_by="api:ci").result()
    assert (asked.origin, asked.started_by, asked.labels) == ("api", "api:ci", {"app": "x", "env": "prod"})
    assert runner.execute("w", labels={"n": "1"}).labels == {"n": "1"}
    (newest,) = runner.list_runs(limit=1)
    assert runner.list_runs(labels={"n": "1"}) == [newest]
    assert [run.run_id for run in runner.list_runs(labels={"env": "prod", "app": "x"})] == [asked.run_id]
    assert (newest.labels, newest.origin, newest.started_by) == ({"n": "1"}, "code", "code")
    with pytest.raises(InvalidArgument, match="label"):
        runner.submit("w", labels={"": "x"})
    with pytest.raises(InvalidArgument, match="author"):
        runner.submit("w", started_by="a\nb")
    assert len(runner.list_runs()) == 3


def test_a_coroutine_labels_its_run(runner: DefaultRunner, define: Define) -> None:
    define("w", ("a", lambda context: None, {}))
    assert asyncio.run(runner.execute_async("w", labels={"env": "dev"})).labels == {"env": "dev"}


def test_children_inherit_author_and_labels_and_forks_keep_labels(runner: DefaultRunner, define: Define) -> None:
    def start_inner(context: Context, handle: TaskHandle) -> None:
        handle.execute("inner", {})

    define("inner", ("b", lambda context: None, {}))
    define("outer", ("a", start_inner, {}))
    outer = runner.submit("outer", labels={"env": "prod"}, started_by="cli:ann").result()
    assert outer.status == "Completed", outer.error_message
    (child,) = runner.list_runs(parent_run_id=outer.run_id)
    assert (child.origin, child.started_by, child.labels) == ("child", "cli:ann", {"env": "prod"})
    fork = runner.fork(outer.run_id, "a").result()
    assert (fork.origin, fork.started_by, fork.labels) == ("fork", "code", {"env": "prod"})
    other = control.fork_run(runner._engine, outer.run_id, "a", by="cli:bob").run
    assert (other.origin, other.started_by) == ("fork", "cli:bob")


def test_a_schedule_is_the_author_of_its_runs(runner: DefaultRunner, define: Define) -> None:
    define("w", ("a", lambda context: None, {}))
    runner.register_cron_workflow("w", "0 0 1 1 *", "UTC", name="yearly")
    runner.run_schedule_now(runner.list_cron_schedules()[0]["id"])
    while not runner.list_runs():  # bounded by the test's time-out
        poll_pause()
    (run,) = runner.list_runs()
    assert (run.origin, run.started_by) == ("cron", "schedule:yearly")


def test_a_run_of_steps_has_labels() -> None:
    with WorkflowRunner() as runner:
        runner.execute(Workflow("one", [recording_step("a", [])]), run_id="r", labels={"env": "dev"})
        info = runner._lazy_engine.engine.reader.info("r")
    assert (info.labels, info.origin, info.started_by) == ({"env": "dev"}, "code", "code")
