"""What the views show is what the runner shows: checkpoints and events, on both databases, with plain SQL."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from holdwater import DefaultRunner
from holdwater.model.registry import registry
from holdwater.runners.steps import WorkflowRunner
from holdwater.steps import (
    ErrorPolicy,
    QualityMetrics,
    RetryPolicy,
    Step,
    StepResult,
    Workflow,
    WorkflowContext,
    register_workflow,
)
from tests.runners.steps.conftest import MakeRunner, query_rows

CHECKPOINTS = "SELECT run_id, step_name, context_snapshot, created_at FROM core_workflow_checkpoints WHERE run_id = ?"
EVENTS = "SELECT run_id, event_type, step_name, timestamp, metadata FROM core_workflow_events WHERE run_id = ?"

Context = WorkflowContext
Config = dict[str, Any]


def checkpoint_rows(runner: WorkflowRunner, run_id: str) -> list[tuple[Any, ...]]:
    found = runner.list_checkpoints(run_id)
    return [
        (c.run_id, c.step_name, nul_as_symbol(c.context_snapshot), c.created_at.rstrip("Z").replace("T", " "))
        for c in found
    ]


def event_rows(runner: WorkflowRunner, run_id: str) -> list[tuple[Any, ...]]:
    found = runner.get_events(run_id)
    return [(e.run_id, e.event_type, e.step_name, e.timestamp, nul_as_symbol(e.metadata)) for e in found]


def nul_as_symbol(data: Any) -> Any:
    """A database shows the sign for NUL in its place."""
    return json.loads(json.dumps(data).replace("\\u0000", "\\u2400"))


def assert_views_match(runner: WorkflowRunner, url: str, run_id: str) -> None:
    """Both ways show the same."""
    rows = [(r, s, json.loads(c), at) for r, s, c, at in query_rows(url, CHECKPOINTS, run_id)]
    assert rows == checkpoint_rows(runner, run_id)
    events = [(r, kind, s, at, json.loads(m)) for r, kind, s, at, m in query_rows(url, EVENTS, run_id)]
    assert events == event_rows(runner, run_id)


class FlakyHandler:
    """Fails so many times."""

    def __init__(self, times: int) -> None:
        self.failures_left = times

    def __call__(self, ctx: Context, config: Config) -> StepResult:
        if self.failures_left > 0:
            self.failures_left -= 1
            return StepResult.fail("not yet \u0000 \U0001f600", category="TRANSIENT")
        return StepResult.ok({"done": True}, {"flag": None, "nested": {"a": None}, "real": 0.1 + 0.2})


def build_full_workflow(fails: FlakyHandler) -> Workflow:
    def measure(ctx: Context, config: Config) -> StepResult:
        quality = QualityMetrics(record_count=10, valid_count=9)
        events = [{"type": "seen", "rows": 3}, {"type": "seen", "rows": 4}]
        return StepResult.ok(
            {"at": dt.datetime(2026, 1, 10), "text": 'a"b\u0000', "big": 10**17}, quality=quality, events=events
        )

    def nothing(ctx: Context, config: Config) -> StepResult:
        return StepResult.skip("nothing to do")

    def broken(ctx: Context, config: Config) -> StepResult:
        raise ValueError("broken")

    per_item = Workflow(steps=[Step.lambda_("double", lambda ctx, config: {"n": ctx.params["n"] * 2})])
    return Workflow(
        name="everything",
        steps=[
            Step.lambda_("measure", measure),
            Step.lambda_("nothing", nothing),
            Step.lambda_("broken", broken, on_error=ErrorPolicy.CONTINUE),
            Step.wait("pause", 0.01),
            Step.choice("choose", lambda ctx: True, "left", "right", join="map"),
            Step.lambda_("left", lambda ctx, config: None),
            Step.lambda_("right", lambda ctx, config: None),
            Step.map("map", items=[1, 2, 3], item_param="n", iterator=per_item, max_concurrency=1),
            Step.lambda_("flaky", fails, on_error="retry", retry=RetryPolicy(max_attempts=2, initial_delay=0.0)),
            Step.lambda_("last", lambda ctx, config: {"sum": sum(r["n"] for r in ctx.get_output("map", "results"))}),
        ],
    )


PARAMS = {"number": 1, "none": None, "yes": True, "text": "\u00e9", "list": [1, {"a": 0.5}], "deep": {"x": {"y": None}}}


def test_the_views_show_what_the_runner_shows(make: MakeRunner, database: str) -> None:
    runner = make(database)
    workflow = build_full_workflow(FlakyHandler(3))
    failed = runner.execute(workflow, params=PARAMS, partition={"day": dt.date(2026, 1, 10)})
    assert (failed.status, failed.error_step) == ("failed", "flaky")
    assert_views_match(runner, database, failed.run_id)
    resumed = runner.resume(failed.run_id, params_override={"number": 2})
    assert resumed.status == "completed"
    assert resumed.context.get_output("last", "sum") == 12
    assert_views_match(runner, database, failed.run_id)
    again = runner.execute(workflow, run_id=failed.run_id, start_from="map", params={"number": 3})
    assert again.completed_steps == ["map", "flaky", "last"]
    assert_views_match(runner, database, failed.run_id)
    (snapshot,) = [c for _, step, c, _ in query_rows(database, CHECKPOINTS, failed.run_id) if step == "measure"]
    assert json.loads(snapshot)["params"]["number"] == 1


def test_a_snapshot_is_the_context_the_next_step_saw(make: MakeRunner, database: str) -> None:
    seen: list[dict[str, Any]] = []

    def look(ctx: Context, config: Config) -> StepResult:
        seen.append(ctx.to_dict())
        return StepResult.ok({"n": len(seen)}, {"last": len(seen)})

    runner = make(database)
    result = runner.execute(Workflow("look", [Step.lambda_(f"s{i}", look) for i in range(4)]), params={"a": [1]})
    snapshots = [json.loads(c) for _, _, c, _ in query_rows(database, CHECKPOINTS, result.run_id)]
    assert snapshots[:3] == seen[1:]
    assert [c.context.to_dict() for c in runner.list_checkpoints(result.run_id)][:3] == seen[1:]


def test_a_run_that_starts_later_and_with_a_context(make: MakeRunner, database: str) -> None:
    runner = make(database)
    workflow = Workflow("late", [Step.lambda_(name, lambda ctx, config: {"x": 1}) for name in "abc"])
    context = WorkflowContext(params={"p": 1}, outputs={"a": {"x": 0}}, metadata={"who": "me"})
    result = runner.execute(workflow, context=context, start_from="b")
    assert result.completed_steps == ["b", "c"]
    assert result.context.outputs == {"a": {"x": 0}, "b": {"x": 1}, "c": {"x": 1}}
    assert_views_match(runner, database, result.run_id)


def test_stopped_and_timed_out_runs(make: MakeRunner, database: str) -> None:
    runner = make(database, workflow_timeout=0.3)

    def stop(ctx: Context, config: Config) -> None:
        runner.cancel(ctx.run_id, "enough")

    stopped = runner.execute(Workflow("stopped", [Step.lambda_("a", stop), Step.lambda_("b", lambda c, _: None)]))
    assert (stopped.status, stopped.reason) == ("stopped", "enough")
    assert_views_match(runner, database, stopped.run_id)


@pytest.mark.parametrize("size", [60])
def test_a_condition_on_the_run_reaches_the_tables(make: MakeRunner, database: str, size: int) -> None:
    runner = make(database)
    workflow = Workflow("many", [Step.lambda_("a", lambda ctx, config: {"x": 1})])
    run_ids = [runner.execute(workflow).run_id for _ in range(size)]
    for statement in (CHECKPOINTS, EVENTS):
        if database.startswith("sqlite"):
            plan = query_rows(database, f"EXPLAIN QUERY PLAN {statement}", run_ids[0])
            steps = [row[3] for row in plan if any(f" {table} " in f"{row[3]} " for table in ("journal", "runs"))]
            assert steps
            assert [step for step in steps if not step.startswith("SEARCH")] == []
        else:
            plan = query_rows(database, f"EXPLAIN {statement}", run_ids[0])
            text = "\n".join(row[0] for row in plan)
            assert "Seq Scan on journal" not in text
            assert "Seq Scan on runs" not in text


def test_a_fork_with_other_params(make: MakeRunner, database: str) -> None:
    workflow = register_workflow(build_full_workflow(FlakyHandler(0)))
    try:
        runner = make(database)
        source = runner.execute(workflow, params=PARAMS)
        with DefaultRunner(database) as other:
            fork = other.fork(source.run_id, "map", context={"number": 7, "new": [1]}, remove=["yes"])
            assert fork.result(30).status == "Completed"
        assert_views_match(runner, database, fork.run_id)
        last = json.loads(query_rows(database, CHECKPOINTS, fork.run_id)[-1][2])["params"]
        assert (last["number"], last["new"], "yes" in last) == (7, [1], False)
    finally:
        registry.unregister(workflow.name)
