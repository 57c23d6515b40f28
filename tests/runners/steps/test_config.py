"""Each option of WorkflowRunnerConfig by what it does, and values that are refused."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from holdwater import RetryPolicy
from holdwater.errors import ConfigError, InvalidTransition
from holdwater.runners.steps import WorkflowRunner, WorkflowRunnerConfig
from holdwater.steps import ErrorPolicy, Step, StepResult, Workflow
from tests.runners.steps.conftest import MakeRunner, query_rows
from tests.runners.steps.shapes import (
    BlockingHandler,
    Config,
    Context,
    FailingHandler,
    recording_step,
    workflow_failing_at_b,
)
from tests.storage.redis_server import redis_url as redis_url

CHECKPOINT_ROWS = "SELECT step_name FROM core_workflow_checkpoints WHERE run_id = ?"


def test_checkpoint_enabled(make: MakeRunner, database: str) -> None:
    calls: list[str] = []
    workflow = workflow_failing_at_b(calls)
    without = make(database, checkpoint_enabled=False)
    failed = without.execute(workflow)
    assert query_rows(database, CHECKPOINT_ROWS, failed.run_id) == []
    assert without.list_checkpoints(failed.run_id) == []
    with pytest.raises(InvalidTransition, match="without checkpoints"):
        without.resume(failed.run_id)
    kept = make(database).execute(workflow_failing_at_b(calls))
    assert query_rows(database, CHECKPOINT_ROWS, kept.run_id) == [("a",)]


def test_checkpoint_every_step(make: MakeRunner, database: str) -> None:
    calls: list[str] = []
    steps = [
        recording_step("a", calls),
        recording_step("b", calls, checkpoint=True),
        recording_step("c", calls),
        recording_step("d", calls),
    ]
    runner = make(database, checkpoint_every_step=False)
    result = runner.execute(Workflow("marked", steps))
    assert query_rows(database, CHECKPOINT_ROWS, result.run_id) == [("b",), ("d",)]
    assert [c.step_name for c in runner.list_checkpoints(result.run_id)] == ["b", "d"]


def test_checkpoint_every_step_false_still_resumes_behind_what_is_done(make: MakeRunner) -> None:
    calls: list[str] = []
    runner = make(checkpoint_every_step=False)
    failed = runner.execute(workflow_failing_at_b(calls))
    assert runner.resume(failed.run_id).completed_steps == ["b", "c"]
    assert calls == ["a", "b", "b", "c"]


def test_checkpoint_storage_file(make: MakeRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    options = {"checkpoint_storage": "file", "checkpoint_path": tmp_path / "kept"}
    failed = make(**options).execute(workflow_failing_at_b(calls), params={"x": 1})
    assert [path.name for path in (tmp_path / "kept").glob("*.jsonl")] == [f"{failed.run_id}.jsonl"]
    second = make(**options)
    assert [c.step_name for c in second.list_checkpoints(failed.run_id)] == ["a"]
    resumed = second.resume(failed.run_id)
    assert (resumed.status, resumed.completed_steps, resumed.context.params["x"]) == ("completed", ["b", "c"], 1)
    monkeypatch.chdir(tmp_path)
    run_id = make(checkpoint_storage="file").execute(Workflow("w", [recording_step("a", calls)])).run_id
    assert (tmp_path / ".holdwater" / "checkpoints" / f"{run_id}.jsonl").exists()


def test_checkpoint_storage_redis(make: MakeRunner, redis_url: str) -> None:
    calls: list[str] = []
    options = {"checkpoint_storage": "redis", "redis_url": redis_url}
    failed = make(**options).execute(workflow_failing_at_b(calls))
    second = make(**options)
    assert second.resume(failed.run_id).status == "completed"
    assert [c.step_name for c in second.list_checkpoints(failed.run_id)] == ["a", "b", "c"]


def test_checkpoint_retention_days(make: MakeRunner, tmp_path: Path) -> None:
    import os

    options = {"checkpoint_storage": "file", "checkpoint_path": tmp_path}
    run_id = make(**options).execute(Workflow("w", [recording_step("a", [])])).run_id
    os.utime(tmp_path / f"{run_id}.jsonl", (0, 0))
    make(**options)
    assert (tmp_path / f"{run_id}.jsonl").exists()
    make(**options, checkpoint_retention_days=7)
    assert not (tmp_path / f"{run_id}.jsonl").exists()


def test_default_step_timeout(make: MakeRunner) -> None:
    gate = BlockingHandler()
    result = make(default_step_timeout=0.05).execute(Workflow("slow", [Step.lambda_("slow", gate)]))
    assert (result.status, result.error_step, result.error_category) == ("failed", "slow", "TIMEOUT")
    gate.released.set()


def test_a_step_has_its_own_timeout(make: MakeRunner) -> None:
    gate = BlockingHandler()
    steps = [Step.lambda_("slow", gate, config={"timeout": 0.05}, on_error="continue"), recording_step("next", [])]
    result = make(default_step_timeout=60.0).execute(Workflow("slow", steps))
    assert (result.status, result.failed_steps, result.completed_steps) == ("completed", ["slow"], ["next"])
    gate.released.set()


def test_workflow_timeout(make: MakeRunner) -> None:
    gate = BlockingHandler()
    result = make(workflow_timeout=0.1).execute(Workflow("slow", [Step.lambda_("slow", gate), recording_step("b", [])]))
    assert (result.status, result.error_category, result.completed_steps) == ("failed", "TIMEOUT", [])
    assert result.error_step == "slow"
    gate.released.set()


def test_default_retry_policy(make: MakeRunner) -> None:
    policy = RetryPolicy(max_attempts=4, initial_delay=0.0)
    asking, own, silent = FailingHandler(3), FailingHandler(3), FailingHandler(1)
    steps = [
        Step.lambda_("asking", asking, on_error=ErrorPolicy.RETRY),
        Step.lambda_("own", own, on_error=ErrorPolicy.CONTINUE, retry=RetryPolicy(max_attempts=2, initial_delay=0.0)),
        Step.lambda_("silent", silent, on_error=ErrorPolicy.CONTINUE),
    ]
    result = make(default_retry_policy=policy).execute(Workflow("w", steps))
    assert (asking.calls, own.calls, silent.calls) == (4, 2, 1)
    assert [metrics.attempts for metrics in result.step_metrics] == [4, 2, 1]


def test_max_inline_wait_seconds(make: MakeRunner) -> None:
    calls: list[str] = []
    workflow = Workflow("naps", [recording_step("a", calls), Step.wait("nap", 3600.0), recording_step("b", calls)])
    runner = make(max_inline_wait_seconds=1.0)
    result = runner.execute(workflow)
    assert (result.status, result.completed_steps, calls) == ("stopped", ["a"], ["a"])
    assert result.reason is not None
    assert result.reason.startswith("it waits until ")
    again = runner.resume(result.run_id)
    assert (again.status, again.completed_steps) == ("stopped", [])
    assert runner.execute(Workflow("short", [Step.wait("nap", 0.01)])).status == "completed"


def test_emit_events(make: MakeRunner, database: str) -> None:
    statement = "SELECT event_type FROM core_workflow_events WHERE run_id = ?"
    workflow = Workflow("w", [recording_step("a", [])])
    silent, loud = make(database, emit_events=False), make(database)
    run_id = silent.execute(workflow).run_id
    assert (silent.get_events(run_id), query_rows(database, statement, run_id)) == ([], [])
    run_id = loud.execute(workflow).run_id
    assert len(loud.get_events(run_id)) == len(query_rows(database, statement, run_id)) == 4


def test_trace_enabled(make: MakeRunner) -> None:
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    patch = pytest.MonkeyPatch()
    patch.setattr(trace, "get_tracer_provider", lambda: provider)
    try:
        per_item = Workflow(steps=[recording_step("item", [])])
        steps = [
            recording_step("a", []),
            Step.map("m", items=[1], iterator=per_item),
            Step.lambda_("b", FailingHandler(1)),
        ]
        make(trace_enabled=False).execute(Workflow("silent", steps))
        assert exporter.get_finished_spans() == ()
        make().execute(Workflow("traced", [*steps[:2], Step.lambda_("b", FailingHandler(1))]))
        spans = {span.name: span for span in exporter.get_finished_spans()}
    finally:
        patch.undo()
    assert set(spans) == {"workflow:traced", "step:a", "step:m", "workflow:traced/m", "step:item", "step:b"}
    for name in ("step:a", "step:m", "step:b"):
        parent, whole = spans[name].parent, spans["workflow:traced"].context
        assert parent is not None
        assert whole is not None
        assert parent.span_id == whole.span_id
    assert not spans["step:b"].status.is_ok
    assert spans["step:b"].status.description == "not yet"


def test_max_concurrent_steps(make: MakeRunner) -> None:
    lock, busy, peak = threading.Lock(), 0, 0
    pair = threading.Barrier(2, timeout=30)

    def item(ctx: Context, config: Config) -> None:
        nonlocal busy, peak
        with lock:
            busy += 1
            peak = max(peak, busy)
        pair.wait()  # two at a time get on, and no third is there
        with lock:
            busy -= 1

    mapped = Step.map("m", items=list(range(8)), iterator=Workflow(steps=[Step.lambda_("i", item)]), max_concurrency=8)
    result = make(max_concurrent_steps=2).execute(Workflow("w", [mapped]))
    assert (result.status, peak) == ("completed", 2)


def test_max_concurrent_steps_counts_coroutines_too(make: MakeRunner) -> None:
    widths: list[int] = []
    running: set[int] = set()

    async def item(context: Context, config: Config) -> StepResult:
        running.add(context.params["item"])
        widths.append(len(running))
        await asyncio.sleep(0)
        running.discard(context.params["item"])
        return StepResult.ok({})

    inner = Workflow(steps=[Step.lambda_("i", item)])
    mapped = Step.map("m", items=list(range(8)), iterator=inner, max_concurrency=8)
    assert make(max_concurrent_steps=1).execute(Workflow("w", [mapped])).status == "completed"
    assert widths == [1] * 8


def test_dry_run(make: MakeRunner, database: str) -> None:
    seen: list[Any] = []

    def look(ctx: Context, config: Config) -> StepResult:
        seen.append((ctx.is_dry_run, ctx.params.get("__dry_run__")))
        return StepResult.ok()

    inner = Workflow(steps=[Step.lambda_("inner", look)])
    steps = [
        Step.lambda_("look", look),
        Step.pipeline("p", "there is none"),
        Step.wait("nap", 3600.0),
        Step.map("m", items=[1], iterator=inner),
    ]
    runner = make(database, dry_run=True)
    result = runner.execute(Workflow("dry", steps))
    assert (result.status, seen) == ("completed", [(True, True), (True, True)])
    assert not database.startswith("sqlite") or not Path(database.removeprefix("sqlite:///")).exists()
    with pytest.raises(ValueError, match="dry runs are recorded nowhere"):
        WorkflowRunner(dry_run=True).resume(result.run_id)


# -- precedence and bad values


def test_arguments_beat_the_configuration() -> None:
    config = WorkflowRunnerConfig(dry_run=True, checkpoint_enabled=False)
    assert (
        WorkflowRunner(config=config).config.dry_run,
        WorkflowRunner(dry_run=False, config=config).config.dry_run,
    ) == (
        True,
        False,
    )
    assert WorkflowRunner(None, None, True, config=config).config.checkpoint_enabled is True
    assert config.checkpoint_enabled is False


@pytest.mark.parametrize(
    "options",
    [
        {"checkpoint_enabled": 1},
        {"checkpoint_every_step": "yes"},
        {"checkpoint_storage": "disk"},
        {"checkpoint_path": ""},
        {"checkpoint_path": 3},
        {"redis_url": ""},
        {"default_step_timeout": 0},
        {"default_step_timeout": True},
        {"workflow_timeout": -1},
        {"workflow_timeout": float("nan")},
        {"workflow_timeout": float("inf")},
        {"max_inline_wait_seconds": -1},
        {"default_retry_policy": 3},
        {"max_concurrent_steps": 0},
        {"max_concurrent_steps": 1.5},
        {"checkpoint_retention_days": 0, "checkpoint_storage": "file"},
        {"checkpoint_retention_days": 7},
        {"emit_events": None},
        {"trace_enabled": None},
        {"dry_run": 0},
    ],
)
def test_values_that_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        WorkflowRunnerConfig(**options)


def test_configurations_that_are_none() -> None:
    with pytest.raises(ConfigError, match="must be a WorkflowRunnerConfig"):
        WorkflowRunner(config={"dry_run": True})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="dry_runn"):
        WorkflowRunnerConfig(dry_runn=True)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match="two places"):
        WorkflowRunner("sqlite:///:memory:", config=WorkflowRunnerConfig(checkpoint_storage="file"))
