"""Activities of unfinished runs, and definitions that are given instead of names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from holdwater import Context, DefaultRunner, TaskHandle, WorkflowBuilder, task
from holdwater.errors import ConfigError, InvalidTransition, WorkflowError
from holdwater.graphs import Graph, node
from holdwater.model import ids
from holdwater.model.records import RunRow, WorkRow
from holdwater.model.registry import registry
from holdwater.model.time import Micros
from holdwater.runs.activity import Activity, derive_activity
from holdwater.steps import Step, Workflow
from tests.suite.runners import Define, Gate
from tests.suite.waiting import poll_pause

HERE = ids.parse_owner_id(ids.new_owner_id())


def make_work_row(kind: str = "execute", **fields: object) -> WorkRow:
    return WorkRow("r", 0, 1, kind, "w", **{"due_at": 50, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "rows", "alive", "activity"),
    [
        ("completed", [], True, Activity("completed")),
        ("paused", [make_work_row(parked=True)], True, Activity("paused")),
        ("running", [make_work_row()], True, Activity("queued")),
        ("running", [make_work_row(owner="h.7.x", lease_until=200)], None, Activity("queued")),
        ("running", [make_work_row(owner="h.7.x", started=True)], True, Activity("running", "h", 7)),
        (
            "running",
            [make_work_row(owner="a.b.7.x", started=True, lease_until=200)],
            None,
            Activity("running", "a.b", 7),
        ),
        ("running", [make_work_row(owner="h.7.x", started=True, lease_until=99)], None, Activity("orphaned", "h", 7)),
        ("running", [make_work_row(owner="h.7.x", lease_until=200)], False, Activity("orphaned", "h", 7)),
        ("running", [make_work_row(owner="unknown", started=True)], True, Activity("running")),
        ("running", [make_work_row(reclaimed=True), make_work_row()], True, Activity("orphaned")),
        (
            "running",
            [make_work_row("timer", due_at=500), make_work_row("timer", due_at=400)],
            True,
            Activity("waiting", waiting_until=Micros(400)),
        ),
        ("running", [make_work_row("timer", due_at=99)], True, Activity("queued")),
        (
            "running",
            [make_work_row("timer", due_at=99, owner="h.7.x")],
            True,
            Activity("waiting", waiting_until=Micros(99)),
        ),
        ("running", [make_work_row("children", owner="h.7.x")], True, Activity("waiting for child runs")),
        (
            "running",
            [make_work_row("children"), make_work_row("execute", owner="h.7.x", started=True)],
            True,
            Activity("running", "h", 7),
        ),
        ("running", [], True, Activity("running")),
    ],
)
def test_the_activity_is_read_from_row_and_work(
    status: str, rows: list[WorkRow], alive: bool | None, activity: Activity
) -> None:
    row = RunRow("r", "w", "tasks", "s", "c", Micros(0), status)
    assert derive_activity(row, rows, Micros(100), lambda owner: alive) == activity


def test_a_run_is_queued_running_and_ended(runner: DefaultRunner, define: Define, gate: Gate) -> None:
    define("w", ("a", lambda context: gate(), {}))
    handle = runner.submit("w")
    gate.wait_started()
    assert runner.activity(handle.run_id) == Activity("running", *HERE)
    (summary,) = runner.list_runs()
    assert summary.activity == f"running on {HERE[0]}:{os.getpid()}"
    gate.open.set()
    handle.result()
    assert runner.activity(handle.run_id) == Activity("completed")
    assert runner.list_runs()[0].activity is None


def fails_for_now(context: Context, handle: TaskHandle) -> None:
    raise ConnectionError("try again later")


def test_a_delayed_retry_waits_until_an_instant(runner: DefaultRunner, define: Define) -> None:
    before = datetime.now(UTC)
    options = {"retry_attempts": 2, "retry_delay_ms": 60_000, "retry_jitter": False}
    define("w", ("a", fails_for_now, options))
    handle = runner.submit("w")
    while runner.get_run(handle.run_id).task_results[0].status != "Waiting":  # bounded by the test's time-out
        poll_pause()
    (summary,) = runner.list_runs()
    assert summary.activity is not None
    state, _, until = summary.activity.rpartition(" ")
    assert state == "waiting until"
    assert datetime.fromisoformat(until) >= before + timedelta(seconds=59)


def test_a_second_cancel_says_that_there_was_one(runner: DefaultRunner, define: Define, gate: Gate) -> None:
    define("w", ("a", lambda context: gate(), {}))
    handle = runner.submit("w")
    gate.wait_started()
    handle.cancel()
    with pytest.raises(InvalidTransition, match="already being cancelled"):
        handle.cancel()
    gate.open.set()
    assert handle.result().status == "Cancelled"
    with pytest.raises(InvalidTransition, match="it is cancelled"):
        handle.cancel()


@pytest.fixture
def forget() -> Iterator[None]:
    before = set(registry.names())
    yield
    for name in set(registry.names()) - before:
        registry.unregister(name)


@pytest.mark.usefixtures("forget")
class TestDefinitionsInsteadOfNames:
    def test_a_graph(self, runner: DefaultRunner) -> None:
        @node(output_name="y")
        def double(x: int) -> int:
            return 2 * x

        graph = Graph([double], name="doubling")
        assert runner.execute(graph, {"x": 4}).final_context["y"] == 8
        assert runner.execute("doubling", {"x": 5}).final_context["y"] == 10
        assert runner.submit(graph, {"x": 6}, idempotency_key="k").result().workflow_name == "doubling"

    def test_steps(self, runner: DefaultRunner) -> None:
        flow = Workflow(name="flow", steps=[Step.lambda_("a", lambda ctx, config: {"ran": True})])
        assert runner.execute(flow).status == "Completed"

    def test_tasks_built_and_being_built(self, runner: DefaultRunner) -> None:
        with WorkflowBuilder("etl") as builder:

            @task()
            def load(context: Context) -> None:
                context["x"] = 1

        assert runner.execute(builder).final_context["x"] == 1
        assert runner.execute(builder.build()).final_context["x"] == 1

    async def _executed(self, runner: DefaultRunner, flow: Workflow) -> str:
        return (await runner.execute_async(flow)).status

    def test_in_a_coroutine(self, runner: DefaultRunner) -> None:
        import asyncio

        flow = Workflow(name="flow", steps=[Step.lambda_("a", lambda ctx, config: {})])
        assert asyncio.run(self._executed(runner, flow)) == "Completed"

    def test_the_same_name_again_is_redefined(self, runner: DefaultRunner) -> None:
        for n in (1, 2):
            flow = Workflow(name="flow", steps=[Step.lambda_("a", lambda ctx, config: {}) for _ in range(1)])
            assert runner.execute(flow).status == "Completed", n
            known = registry.get("flow")
            runner.execute(flow)
            assert registry.get("flow") is known, "registered once"

    @pytest.mark.parametrize("thing", [None, 7, object(), Graph, ["etl"], b"etl"])
    def test_anything_else_is_refused(self, runner: DefaultRunner, thing: object) -> None:
        with pytest.raises(ConfigError, match="by its name or as a workflow or graph"):
            runner.execute(thing)  # type: ignore[arg-type]

    def test_a_graph_without_a_name_is_refused(self, runner: DefaultRunner) -> None:
        @node(output_name="y")
        def double(x: int) -> int:
            return 2 * x

        with pytest.raises(WorkflowError, match="name"):
            runner.execute(Graph([double]), {"x": 1})


def test_runs_since_an_instant(runner: DefaultRunner, define: Define) -> None:
    define("w", ("a", lambda context: None, {}))
    for _ in range(3):
        runner.execute("w")
    newest, middle, _ = runner.list_runs()
    assert [r.run_id for r in runner.list_runs(since=datetime.fromisoformat(middle.start_time))] == [
        newest.run_id,
        middle.run_id,
    ]
    assert [r.run_id for r in runner.list_runs(offset=1, limit=1)] == [middle.run_id]
    for wrong in (datetime(2026, 1, 1), "2026-01-01"):
        with pytest.raises(ConfigError, match="time zone"):
            runner.list_runs(since=wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="offset"):
        runner.list_runs(offset=-1)
