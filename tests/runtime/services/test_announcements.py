"""Announcements: a runner writes its workflows to the catalog when they are new or changed, and only then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from holdwater import Context, DefaultRunner, DefaultRunnerConfig, WorkflowBuilder, task
from holdwater.executors import ThreadExecutor
from holdwater.graphs import Graph, node, register_graph
from holdwater.model.catalog import PlanRow, WorkflowRow
from holdwater.model.time import Micros
from holdwater.operations import open_for_reading
from holdwater.runtime.services import announcements
from holdwater.steps import Step, StepResult, Workflow, register_workflow
from holdwater.storage.sqlite.store import SQLiteStore

# what a test registers is all there is
pytestmark = pytest.mark.usefixtures("empty_registry")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/runs.db"


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of workflows as they are written, by any store."""
    written: list[str] = []
    write = SQLiteStore.announce_workflows

    def note(self: Any, workflows: list[WorkflowRow], plans: list[PlanRow]) -> None:
        written.extend(sorted(row.name for row in workflows))
        write(self, workflows, plans)

    monkeypatch.setattr(SQLiteStore, "announce_workflows", note)
    return written


def define(name: str, *tasks: str, executor: str | None = None) -> None:
    with WorkflowBuilder(name):
        for one in tasks:

            @task(id=one, executor=executor)
            def body(context: Context) -> None:
                pass


def announce(url: str, **options: Any) -> list[str]:
    """Start a runner and have it announce what is registered; returns the names it executes."""
    with DefaultRunner(url, config=DefaultRunnerConfig(**options)) as runner:
        return runner.announce()


def read(url: str, name: str) -> WorkflowRow:
    with open_for_reading(url) as opened:
        row = opened.store.get_workflow(name)
    assert row is not None
    return row


def test_a_start_that_changes_nothing_writes_nothing(url: str, announced: list[str]) -> None:
    define("a", "one")
    announce(url)
    announce(url)
    assert announced == ["a"]
    define("a", "one", "two")
    define("b", "one")
    announce(url)
    assert announced == ["a", "a", "b"]
    assert [node["name"] for node in read(url, "a").nodes] == ["one", "two"]


def test_what_is_registered_later_is_announced_too(url: str, announced: list[str]) -> None:
    define("a", "one")
    with DefaultRunner(url) as runner:
        runner.announce()
        define("later", "one")
        runner.announce()
        define("a", "one", "two")
        assert runner.execute("a").status == "Completed"
        assert runner.announce() == ["a", "later"]
    assert announced == ["a", "later", "a"]


def test_the_instant_is_written_again_after_an_hour(
    url: str, announced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    define("a", "one")
    announce(url)
    first = read(url, "a")
    monkeypatch.setattr(announcements, "SEEN_INTERVAL_US", Micros(-1))
    announce(url)
    again = read(url, "a")
    assert announced == ["a", "a"]
    assert (again.registered_at, again.seen_at >= first.seen_at) == (first.registered_at, True)


def test_what_cannot_be_executed_here_is_not_announced(url: str, announced: list[str]) -> None:
    define("here", "one")
    define("elsewhere", "one", executor="gpu")
    assert announce(url) == ["here"]
    assert announced == ["here"]
    assert announce(url, executors={"gpu": ThreadExecutor(2)}) == ["elsewhere", "here"]


def test_workflows_inside_of_others_are_not_listed(url: str, announced: list[str]) -> None:
    @node(output_name="y")
    def inner(x: int) -> int:
        return x

    register_graph(Graph([Graph([inner], name="nested").as_node()], name="outer"))
    announce(url)
    assert announced == ["outer"]
    assert read(url, "outer").nodes[0]["child_workflow"] == "outer/nested"


def test_a_workflow_that_cannot_be_described_is_announced_all_the_same(url: str) -> None:
    def scale(ctx: Any, config: Any) -> StepResult:
        return StepResult.ok({})

    register_workflow(Workflow("odd", [Step.lambda_("scale", scale)], defaults={"file": open}))
    with DefaultRunner(url) as runner:
        assert "odd" in runner.announce()
        (error,) = runner.internal_errors()
        assert error.where == "describing workflow 'odd'"
    row = read(url, "odd")
    assert (row.style, row.descriptor, row.structure is not None) == ("steps", {}, True)
