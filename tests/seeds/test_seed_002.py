"""Seed 002: every example, from the seed's own text.

What the page assumes is put in place: `spine.orchestration` finds Holdwater's steps, `my.pipeline` is registered, and
the run called abc-123 is the one of the test.
"""

from __future__ import annotations

import ast
import concurrent.futures
import datetime as dt
import inspect
import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from holdwater import RetryPolicy
from holdwater.runners.steps import WorkflowResult, WorkflowRunner, WorkflowRunnerConfig, WorkflowStatus
from holdwater.steps import (
    ErrorCategory,
    ErrorPolicy,
    LambdaStep,
    PipelineRunResult,
    QualityMetrics,
    Step,
    StepResult,
    Workflow,
    WorkflowContext,
    pipeline,
    pipeline_registry,
)
from tests.runners.steps.conftest import database as database
from tests.runners.steps.conftest import query_rows
from tests.seeds.documents import blocks

Scope = dict[str, Any]
Example = Callable[..., Scope]
Context = WorkflowContext
Config = dict[str, Any]

NAMES: Scope = {
    known.__name__: known
    for known in (
        ErrorCategory, ErrorPolicy, LambdaStep, QualityMetrics, RetryPolicy, Step, StepResult, Workflow,
        WorkflowContext, WorkflowResult, WorkflowRunner, WorkflowRunnerConfig, WorkflowStatus,
    )
}  # fmt: skip


@pytest.fixture
def calls() -> list[str]:
    """Names of steps and pipelines, as they are called."""
    return []


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, calls: list[str], tmp_path: Path) -> Iterator[Example]:
    """Runs an example: `run(number, **what it assumes)` gives its names."""
    module = ModuleType("spine.orchestration")
    module.__dict__.update(NAMES)
    monkeypatch.setitem(sys.modules, "spine", ModuleType("spine"))
    monkeypatch.setitem(sys.modules, "spine.orchestration", module)
    monkeypatch.chdir(tmp_path)

    @pipeline("my.pipeline")
    class MyPipeline:
        def __init__(self, params: Config) -> None:
            self.params = params

        def run(self) -> PipelineRunResult:
            calls.append("my.pipeline")
            return PipelineRunResult(metrics={"rows": 3, "key": self.params.get("key")})

    def my_lambda_fn(ctx: Context, config: Config) -> StepResult:
        calls.append("step2")
        return StepResult.ok(output={"n": 1})

    surroundings = {
        **NAMES, "Any": Any, "time": time, "concurrent": concurrent, "logger": logging.getLogger("seed"),
        "my_lambda_fn": my_lambda_fn, "my_fn": my_lambda_fn,
    }  # fmt: skip
    made: list[WorkflowRunner] = []

    def example(number: int, *, replacing: dict[str, str] | None = None, **given: Any) -> Scope:
        text = blocks("002")[number - 1]
        for old, new in (replacing or {}).items():
            assert old in text
            text = text.replace(old, new)
        scope = {**surroundings, **given}
        exec(compile(text, f"<002-{number:02}>", "exec"), scope)
        made.extend(v for v in scope.values() if isinstance(v, WorkflowRunner))
        return scope

    yield example
    pipeline_registry.unregister("my.pipeline")
    for runner in made:
        runner.close()


def step(name: str, calls: list[str], **options: Any) -> LambdaStep:
    """A step that records its call and puts out its name."""

    def handler(ctx: Context, config: Config) -> StepResult:
        calls.append(name)
        return StepResult.ok(output={"name": name})

    return Step.lambda_(name, handler, **options)


class FailsOnce:
    def __init__(self, name: str, calls: list[str]) -> None:
        self.name, self.calls, self.done = name, calls, False

    def __call__(self, ctx: Context, config: Config) -> StepResult:
        self.calls.append(self.name)
        if not self.done:
            self.done = True
            return StepResult.fail("the service is down", category="DEPENDENCY")
        return StepResult.ok(output={"seen": [ctx.get_output("step1"), ctx.get_output("step2")]})


def fails_at_step3(calls: list[str]) -> Workflow:
    steps = [step("step1", calls), step("step2", calls), Step.lambda_("step3", FailsOnce("step3", calls))]
    return Workflow(name="my.workflow", steps=[*steps, step("step4", calls)])


# -- 01 to 04: the runner


def test_002_01_basic_usage(run: Example, capsys: pytest.CaptureFixture[str]) -> None:
    scope = run(1)
    assert capsys.readouterr().out == "Success!\n"
    result = scope["result"]
    assert result.status == "completed"
    assert result.completed_steps == ["step1", "step2"]
    assert result.context.get_output("step1", "rows") == 3
    assert result.context.get_output("step1", "key") == "value"


def test_002_01_basic_usage_when_a_step_fails(run: Example, capsys: pytest.CaptureFixture[str]) -> None:
    run(1, my_lambda_fn=lambda ctx, config: StepResult.fail("no rows"))
    assert capsys.readouterr().out == "Failed at step2: no rows\n"


def parameters(text: str) -> list[tuple[str, Any, bool]]:
    """(name, default, keyword only) of the one function in the text."""
    tree = ast.parse(text.rstrip())
    (function,) = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    args = function.args
    plain = [a.arg for a in args.args if a.arg != "self"]
    defaults = [inspect.Parameter.empty] * (len(plain) - len(args.defaults)) + [
        ast.literal_eval(d) for d in args.defaults
    ]
    keyword = [(a.arg, ast.literal_eval(d), True) for a, d in zip(args.kwonlyargs, args.kw_defaults) if d is not None]
    return [(name, default, False) for name, default in zip(plain, defaults)] + keyword


@pytest.mark.parametrize(("number", "method"), [(2, "__init__"), (3, "execute"), (4, "resume")])
def test_002_02_to_04_signatures(number: int, method: str) -> None:
    signature = inspect.signature(getattr(WorkflowRunner, method))
    ours = [
        (p.name, p.default, p.kind is inspect.Parameter.KEYWORD_ONLY)
        for p in signature.parameters.values()
        if p.name != "self"
    ]
    theirs = parameters(blocks("002")[number - 1])
    assert [p for p in ours if p in theirs] == theirs
    assert ours[: len([p for p in theirs if not p[2]])] == [p for p in theirs if not p[2]]


def test_002_02_positions(calls: list[str]) -> None:
    def dispatcher(name: str, params: Config) -> Config:
        calls.append(name)
        return {"rows": 7}

    with WorkflowRunner(None, dispatcher, True, False) as runner:
        result = runner.execute(Workflow("w", [Step.pipeline("p", "elsewhere")]))
    assert (calls, result.context.get_output("p", "rows")) == (["elsewhere"], 7)


def test_002_03_the_result(calls: list[str]) -> None:
    with WorkflowRunner() as runner:
        result = runner.execute(fails_at_step3(calls), params={"a": 1}, partition={"day": "2026-01-10"})
    assert result.status == "failed"
    assert isinstance(result.context, WorkflowContext)
    assert result.completed_steps == ["step1", "step2"]
    assert result.total_steps == 4
    assert (result.error_step, result.error) == ("step3", "the service is down")
    assert result.run_id
    assert result.partition == {"day": "2026-01-10"}


def test_002_03_start_from_context_and_run_id(calls: list[str]) -> None:
    context = WorkflowContext(params={"a": 1}, outputs={"step1": {"name": "given"}})
    with WorkflowRunner() as runner:
        workflow = Workflow("w", [step("step1", calls), step("step2", calls)])
        result = runner.execute(workflow, params={"b": 2}, context=context, start_from="step2", run_id="r-003")
        assert calls == ["step2"]
        assert (result.run_id, result.completed_steps) == ("r-003", ["step2"])
        assert result.context.get_output("step1", "name") == "given"
        assert (result.context.params["a"], result.context.params["b"]) == (1, 2)
        again = runner.execute(workflow, run_id="r-003")
        assert (calls, again.status) == (["step2"], "completed")


# -- 05 and 06: the model


def test_002_05_the_order_of_a_step(calls: list[str]) -> None:
    """a: skipped by a choice?  b: run.  c: merged.  d: checkpoint.  e: error policy."""
    with WorkflowRunner() as runner:
        kept: list[list[str]] = []

        def second(ctx: Context, config: Config) -> StepResult:
            kept.append([c.step_name for c in runner.list_checkpoints(ctx.run_id)])
            assert ctx.params["merged"] is True
            assert ctx.get_output("first", "x") == 1
            assert ctx.quality_metrics["first"]["record_count"] == 5
            return StepResult.fail("wrong", output={"partial": 1})

        def first(ctx: Context, config: Config) -> StepResult:
            return StepResult.ok({"x": 1}, {"merged": True}, quality=QualityMetrics(record_count=5))

        steps = [
            Step.choice("choose", lambda ctx: True, "first"),
            step("jumped", calls),
            Step.lambda_("first", first),
            Step.lambda_("second", second, on_error=ErrorPolicy.CONTINUE),
            step("third", calls),
        ]
        result = runner.execute(Workflow("order", steps))
        assert calls == ["third"]
        assert kept == [["choose", "first"]]
        assert result.status == "completed"
        assert (result.failed_steps, result.skipped_steps) == (["second"], ["jumped"])
        assert [c.step_name for c in runner.list_checkpoints(result.run_id)] == ["choose", "first", "third"]
        assert not result.context.has_output("second")


def test_002_06_context_mutation(run: Example) -> None:
    scope = run(6)
    context = WorkflowContext(params={"a": 1})
    runner = SimpleNamespace(
        _call_step=lambda step, context: StepResult.ok({"x": 1}, {"b": 2}, quality=QualityMetrics(record_count=3)),
        _handle_error=lambda step, context, result: "handled",
    )
    changed = scope["_execute_step"](runner, SimpleNamespace(name="s"), context)
    assert (changed.get_output("s", "x"), changed.params["b"], changed.get_quality("s").record_count) == (1, 2, 3)
    assert (dict(context.params), dict(context.outputs)) == ({"a": 1}, {})
    runner._call_step = lambda step, context: StepResult.fail("no")
    assert scope["_execute_step"](runner, SimpleNamespace(name="s"), context) == "handled"


# -- 07 to 09: errors


def test_002_07_error_policies(run: Example) -> None:
    run(7)


@pytest.mark.parametrize(
    ("policy", "status", "times"),
    [(ErrorPolicy.STOP, "failed", 1), (ErrorPolicy.CONTINUE, "completed", 1), (ErrorPolicy.RETRY, "completed", 2)],
)
def test_002_07_what_the_policies_do(calls: list[str], policy: ErrorPolicy, status: str, times: int) -> None:
    once = FailsOnce("my_step", calls)
    config = WorkflowRunnerConfig(default_retry_policy=RetryPolicy(max_attempts=2, initial_delay=0.0))
    with WorkflowRunner(config=config) as runner:
        workflow = Workflow("policies", [Step.lambda_("my_step", once, on_error=policy), step("next", calls)])
        result = runner.execute(workflow)
    assert (result.status, calls.count("my_step")) == (status, times)
    assert calls.count("next") == (status == "completed")
    assert result.failed_steps == ([] if policy is ErrorPolicy.RETRY else ["my_step"])


@pytest.mark.parametrize(("category", "times"), [("TRANSIENT", 3), ("TIMEOUT", 3), ("DATA_QUALITY", 1)])
def test_002_08_retry_configuration(run: Example, calls: list[str], category: str, times: int) -> None:
    def my_fn(ctx: Context, config: Config) -> StepResult:
        calls.append("my_step")
        return StepResult.fail("down", category=category)

    steps: list[LambdaStep] = []

    class Kept(Step):
        @staticmethod
        def lambda_(*args: Any, **kwargs: Any) -> LambdaStep:
            steps.append(Step.lambda_(*args, **kwargs))
            return steps[0]

    run(8, my_fn=my_fn, Step=Kept, replacing={"initial_delay=1.0,": "initial_delay=0.001,"})
    with WorkflowRunner() as runner:
        result = runner.execute(Workflow("retries", steps))
    assert (len(calls), result.error_category) == (times, category)


def test_002_08_delays_as_printed(run: Example) -> None:
    (tree,) = ast.parse(blocks("002")[7].strip()).body
    assert isinstance(tree, ast.Expr)
    policy = next(k.value for k in tree.value.keywords if k.arg == "retry")  # type: ignore[attr-defined]
    made: RetryPolicy = eval(compile(ast.Expression(policy), "<002-08>", "eval"), {"RetryPolicy": RetryPolicy})
    assert [made.delay_seconds(n) for n in (1, 2, 3, 10)] == [1.0, 2.0, 4.0, 60.0]


def test_002_09_error_categories(run: Example) -> None:
    theirs = run(9)["ErrorCategory"]
    names = [name for name in vars(theirs) if name.isupper()]
    assert len(names) == 6
    for name in names:
        assert getattr(ErrorCategory, name) == getattr(theirs, name)


# -- 10 to 12: checkpoints


def test_002_10_a_checkpoint(run: Example, calls: list[str]) -> None:
    record = ast.literal_eval(blocks("002")[9].replace("{ ... }", "{}").strip())
    with WorkflowRunner() as runner:
        result = runner.execute(fails_at_step3(calls))
        found = runner.get_checkpoint(result.run_id)
    assert found is not None
    data = found.to_dict()
    assert list(data) == list(record)
    assert (data["workflow_name"], data["checkpoint_step"]) == (record["workflow_name"], record["checkpoint_step"])
    assert dt.datetime.fromisoformat(data["created_at"]).tzinfo == dt.UTC
    assert data["created_at"].endswith("Z")
    assert json.loads(json.dumps(data)) == data
    assert data["context_snapshot"]["outputs"] == {"step1": {"name": "step1"}, "step2": {"name": "step2"}}


def test_002_11_resume(run: Example, calls: list[str]) -> None:
    scope = run(11, my_workflow=fails_at_step3(calls), replacing={'"abc-123")': "result.run_id)"})
    result, resumed = scope["result"], scope["resumed_result"]
    assert (result.status, result.error_step) == ("failed", "step3")
    assert calls == ["step1", "step2", "step3", "step3", "step4"]
    assert (resumed.status, resumed.run_id) == ("completed", result.run_id)
    assert resumed.completed_steps == ["step3", "step4"]
    assert resumed.context.get_output("step3", "seen") == [{"name": "step1"}, {"name": "step2"}]


def test_002_11_resume_with_another_runner_of_this_process(calls: list[str]) -> None:
    with WorkflowRunner() as first:
        failed = first.execute(fails_at_step3(calls), params={"key": "value"})
    with WorkflowRunner() as second:
        resumed = second.resume(failed.run_id, params_override={"key": "other"})
    assert (resumed.status, resumed.context.params["key"]) == ("completed", "other")


def test_002_12_sql(calls: list[str], database: str) -> None:
    statement = blocks("002")[11].partition("--")[0].strip().rstrip(";")
    with WorkflowRunner(database) as runner:
        runner.execute(fails_at_step3(calls), run_id="abc-123")
        runner.execute(fails_at_step3(calls))
        rows = query_rows(database, statement)
        assert [row[:2] for row in rows] == [("abc-123", "step1"), ("abc-123", "step2")]
        assert json.loads(rows[0][2])["outputs"] == {"step1": {"name": "step1"}}
        assert json.loads(rows[1][2])["outputs"] == {"step1": {"name": "step1"}, "step2": {"name": "step2"}}
        assert dt.datetime.strptime(rows[0][3], "%Y-%m-%d %H:%M:%S.%f")
        runner.resume("abc-123")
        assert [row[1] for row in query_rows(database, statement)] == ["step1", "step2", "step3", "step4"]


# -- 13 and 14: dry run


def test_002_13_dry_run(run: Example, calls: list[str], database: str, capsys: pytest.CaptureFixture[str]) -> None:
    WorkflowRunner(database).close()
    before = [query_rows(database, f"SELECT count(*) FROM {table}") for table in ("runs", "journal", "plans", "work")]
    steps = [Step.pipeline("step1", "my.pipeline"), step("step2", calls), Step.wait("nap", 3600.0)]
    replacing = {"dry_run=True": "database, dry_run=True", "{...}": '{"key": "value"}'}
    scope = run(13, my_workflow=Workflow("dry", steps), database=database, replacing=replacing)
    assert calls == ["step2"]
    assert scope["result"].status == "completed"
    assert "step1: {'dry_run': True, 'pipeline': 'my.pipeline'}" in capsys.readouterr().out
    after = [query_rows(database, f"SELECT count(*) FROM {table}") for table in ("runs", "journal", "plans", "work")]
    assert after == before


def test_002_14_a_step_asks_whether_it_is_a_dry_run(run: Example) -> None:
    workflow = Workflow("asks", [Step.lambda_("my_lambda", run(14)["my_lambda"])])
    with WorkflowRunner(dry_run=True) as dry, WorkflowRunner() as wet:
        output = {"dry_run": True, "would_do": "insert 100 records"}
        assert dry.execute(workflow).context.get_output("my_lambda") == output
        result = wet.execute(workflow)
        assert (result.status, result.context.get_output("my_lambda")) == ("completed", None)
        assert "__dry_run__" not in result.context.params


# -- 15 and 16: observability


def test_002_15_events(run: Example, calls: list[str], database: str) -> None:
    text = blocks("002")[14].partition("\n")[2]
    started, completed = (ast.literal_eval(part.strip()) for part in text.split("\n\n"))
    statement = "SELECT run_id, event_type, step_name, timestamp, metadata FROM core_workflow_events WHERE run_id = ?"
    with WorkflowRunner(database) as runner:
        runner.execute(Workflow("w", [step("ingest", calls)]), run_id="abc-123")
        rows = query_rows(database, statement, "abc-123")
        for theirs in (started, completed):
            (row,) = [row for row in rows if row[1] == theirs["event_type"]]
            ours = dict(zip(theirs, row))
            ours["metadata"] = json.loads(ours["metadata"])
            assert {**ours, "timestamp": 0, "metadata": 0} == {**theirs, "timestamp": 0, "metadata": 0}
            assert list(ours["metadata"]) == list(theirs["metadata"])
            assert dt.datetime.fromisoformat(ours["timestamp"]).tzinfo == dt.UTC
        assert ours["metadata"]["output_size"] == len('{"name":"ingest"}')
        kinds = [event.event_type for event in runner.get_events("abc-123")]
    assert kinds == ["workflow_started", "step_started", "step_completed", "workflow_completed"]


def test_002_16_metrics(run: Example, calls: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with WorkflowRunner() as runner:
        scope = run(16, runner=runner, workflow=fails_at_step3(calls), replacing={"(...)": "(workflow)"})
    result = scope["result"]
    total, completed, *steps = capsys.readouterr().out.splitlines()
    assert total == f"Total duration: {result.duration_ms}ms"
    assert completed == "Steps completed: ['step1', 'step2']"
    assert [line.partition(":")[0] for line in steps] == ["  step1", "  step2", "  step3"]
    assert result.duration_ms >= max(metrics.duration_ms for metrics in result.step_metrics) >= 0
    assert [metrics.status for metrics in result.step_metrics] == ["completed", "completed", "failed"]


# -- 17 to 20: advanced


def test_002_17_custom_step_executor(run: Example, calls: list[str]) -> None:
    scope = run(17)
    recorded: list[tuple[str, StepResult]] = []
    spans: list[str] = []

    class Span:
        def __enter__(self) -> None: ...
        def __exit__(self, *exc: object) -> None: ...

    def start_span(name: str) -> Span:
        spans.append(name)
        return Span()

    with scope["CustomRunner"]() as runner:
        runner.tracer = SimpleNamespace(start_span=start_span)
        runner.metrics = SimpleNamespace(record_step=lambda name, result: recorded.append((name, result)))
        workflow = Workflow("custom", [step("a", calls), Step.pipeline("p", "my.pipeline"), step("b", calls)])
        result = runner.execute(workflow)
    assert result.completed_steps == ["a", "p", "b"]
    assert spans == ["step:a", "step:b"]
    assert [(name, given.output) for name, given in recorded] == [("a", {"name": "a"}), ("b", {"name": "b"})]


def test_002_18_middleware(run: Example, calls: list[str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "seed")
    go = threading.Event()

    def slow(ctx: Context, config: Config) -> StepResult:
        go.wait(0.3)  # the example waits for its late thread, whatever the time-out
        return StepResult.ok()

    with WorkflowRunner() as runner:
        scope = run(18, runner=runner)
        assert callable(scope["logging_middleware"])
        per_item = Workflow(steps=[step("item", calls)])
        steps = [
            step("a", calls),
            Step.choice("c", lambda ctx: True, "w"),
            Step.wait("w", 0.001),
            Step.map("m", items=[1], iterator=per_item),
            Step.pipeline("p", "my.pipeline"),
            Step.lambda_("slow", slow, config={"timeout": 0.01}),
        ]
        workflow = Workflow("middle", steps)
        slow_step = workflow.get_step("slow")
        assert slow_step is not None
        object.__setattr__(slow_step, "timeout", None)
        result = runner.execute(workflow)
    began = [r.getMessage().removeprefix("Starting step: ") for r in caplog.records if "Starting" in r.getMessage()]
    assert began == ["a", "c", "w", "m", "item", "p", "slow"]
    assert len([r for r in caplog.records if "Completed step" in r.getMessage()]) >= 6
    assert (result.status, result.error_step, result.error_category) == ("failed", "slow", "TIMEOUT")


def test_002_19_map(run: Example, calls: list[str]) -> None:
    busy, peak, lock = 0, 0, threading.Lock()

    def item(ctx: Context, config: Config) -> StepResult:
        nonlocal busy, peak
        with lock:
            busy += 1
            peak = max(peak, busy)
        with lock:
            busy -= 1
        return StepResult.ok({"item": ctx.params["current_item"], "key": ctx.params["key"]})

    made: list[Step] = []

    class Kept(Step):
        @staticmethod
        def map(*args: Any, **kwargs: Any) -> Any:
            made.append(Step.map(*args, **kwargs))
            return made[0]

    run(19, Step=Kept, per_item_workflow=Workflow(name="per_item", steps=[Step.lambda_("one", item)]))
    with WorkflowRunner() as runner:
        result = runner.execute(Workflow("all", made), params={"key": "value"})
    output = result.context.get_output("process_all")
    assert [r["item"] for r in output["results"]] == ["item1", "item2", "item3"]
    assert {r["key"] for r in output["results"]} == {"value"}
    assert (output["item_count"], output["completed"], output["failed"], output["errors"]) == (3, 3, 0, [])
    assert 1 <= peak <= 10


def test_002_20_configuration(run: Example, calls: list[str]) -> None:
    scope = run(20)
    config, runner = scope["config"], scope["runner"]
    assert (config.default_step_timeout, config.workflow_timeout) == (300, 3600)
    assert config.default_retry_policy.max_attempts == 3
    assert runner.execute(Workflow("w", [step("a", calls)])).status == "completed"


def test_002_20_every_option_of_the_page_is_there() -> None:
    tree = ast.parse(blocks("002")[19])
    (call,) = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and len(n.keywords) > 2]
    known = inspect.signature(WorkflowRunnerConfig).parameters
    assert [k.arg for k in call.keywords if k.arg not in known] == []
