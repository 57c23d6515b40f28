"""Pipeline steps: registered, given, dispatched, and workflows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from holdwater.model.registry import registry
from holdwater.steps import (
    Pipeline,
    PipelineRunResult,
    PipelineStatus,
    RetryPolicy,
    Step,
    StepResult,
    StepSettings,
    Workflow,
    WorkflowContext,
    pipeline,
    pipeline_registry,
    register_workflow,
)
from holdwater.tasks import WorkflowBuilder, task
from tests.steps.driver import handler_returning, run_steps


@pytest.fixture(autouse=True)
def restore_registries() -> Iterator[None]:
    known = set(pipeline_registry.names()), set(registry.names())
    yield
    for name in set(pipeline_registry.names()) - known[0]:
        pipeline_registry.unregister(name)
    for name in set(registry.names()) - known[1]:
        registry.unregister(name)


def step(source: Any = "my.pipeline", **options: Any) -> Step:
    return Step.pipeline("p", source, **options)


def test_a_function_gets_the_params_with_the_steps_own_over_them() -> None:
    @pipeline("my.pipeline")
    def load(params: dict[str, Any]) -> dict[str, Any]:
        return {"rows": 3, "params": params}

    assert load({}) == {"rows": 3, "params": {}}
    done = run_steps(step(params={"x": 2, "z": 3}), params={"x": 1, "y": 1})
    output = done.output("p")
    assert output["rows"] == 3
    assert output["params"] == {"x": 2, "y": 1, "z": 3}
    assert output["pipeline_result"]["status"] == "completed"
    assert output["pipeline_result"]["metrics"]["rows"] == 3
    assert output["pipeline_result"]["completed_at"] >= output["pipeline_result"]["started_at"]


def test_names_of_pipelines() -> None:
    @pipeline
    def by_its_name(params: Any) -> None: ...

    @pipeline()
    class ByAttribute(Pipeline):
        name = "by.attribute"

    assert {"by_its_name", "by.attribute"} <= {*pipeline_registry.names()}
    assert pipeline_registry.find("by.attribute") is ByAttribute


@pipeline("class.pipeline")
class Counting(Pipeline):
    def run(self) -> PipelineRunResult:
        return PipelineRunResult(PipelineStatus.COMPLETED, metrics={"count": self.params["n"] + 1})


class Running:
    def run(self, params: dict[str, Any]) -> dict[str, Any]:
        return {"count": params["n"] + 1}


async def counting(params: dict[str, Any]) -> dict[str, Any]:
    return {"count": params["n"] + 1}


@pytest.mark.parametrize(
    "source", [Counting, Counting({"n": 1}), Running, Running(), counting, lambda params: {"count": params["n"] + 1}]
)
def test_what_can_be_a_pipeline(source: Any) -> None:
    assert run_steps(step(source), params={"n": 1}).output("p")["count"] == 2


def test_pipeline_name_is_another_word() -> None:
    named = Step.pipeline("p", pipeline_name="my.pipeline")
    assert named.pipeline_name == "my.pipeline"
    assert step(Counting).pipeline_name == "Counting"  # type: ignore[attr-defined]


def test_one_that_nobody_knows() -> None:
    pipeline_registry.register("my.pipelines", handler_returning)
    done = run_steps(step(retry=RetryPolicy(max_attempts=3)))
    assert done.error_kinds == {"p": "CONFIGURATION"}
    assert "did you mean 'my.pipelines'" in done.error
    assert done.attempts == ["p"]


def test_one_that_raises() -> None:
    def broken(params: Any) -> None:
        raise ConnectionError("gone")

    done = run_steps(step(broken))
    assert (done.error_kinds, done.error) == ({"p": "TRANSIENT"}, "ConnectionError: gone")


def test_one_that_says_it_failed() -> None:
    done = run_steps(step(lambda params: PipelineRunResult("failed", error="no rows", error_category="DATA_QUALITY")))
    assert (done.error_kinds, done.error) == ({"p": "DATA_QUALITY"}, "no rows")


def test_what_a_pipeline_may_not_return() -> None:
    assert "return a PipelineRunResult" in run_steps(step(lambda params: 3)).error


def test_a_metric_may_be_called_status() -> None:
    assert run_steps(step(lambda params: {"status": "failed", "n": 1})).output("p")["status"] == "failed"


def test_a_dry_run_calls_nothing() -> None:
    done = run_steps(step(), settings=StepSettings(dry_run=True, dispatcher=None))
    assert done.output("p") == {"dry_run": True, "pipeline": "my.pipeline"}


# -- dispatchers


class Submitting:
    def submit(self, pipeline: str, params: Mapping[str, Any] | None = None, lane: str = "normal") -> Any:
        result = PipelineRunResult(metrics={"name": pipeline, **(params or {})})
        return SimpleNamespace(status=PipelineStatus.COMPLETED, result=result, error=None)


class ByRun:
    def run(self, name: str, params: dict[str, Any]) -> PipelineRunResult:
        return PipelineRunResult(metrics={"name": name, **params})


async def dispatch(name: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, **params}


@pytest.mark.parametrize("dispatcher", [Submitting(), ByRun(), dispatch])
def test_dispatchers(dispatcher: Any) -> None:
    pipeline_registry.register("my.pipeline", lambda params: {"local": True})
    output = run_steps(step(), params={"n": 1}, settings=StepSettings(dispatcher=dispatcher)).output("p")
    del output["pipeline_result"]
    assert output == {"name": "my.pipeline", "n": 1}


@pytest.mark.parametrize(("status", "why"), [("queued", "before it had ended"), ("failed", "boom")])
def test_a_dispatcher_that_did_not_finish(status: str, why: str) -> None:
    def dispatcher(name: str, params: Any) -> Any:
        return SimpleNamespace(status=status, error="boom", result=None)

    assert why in run_steps(step(), settings=StepSettings(dispatcher=dispatcher)).error


def test_what_is_given_itself_is_not_dispatched() -> None:
    def dispatcher(name: str, params: Any) -> Any:
        raise AssertionError(name)

    settings = StepSettings(dispatcher=dispatcher)
    assert run_steps(step(lambda params: {"n": 1}), settings=settings).output("p")["n"] == 1


# -- workflows


def build_inner_workflow(name: str = "") -> Workflow:
    def second(ctx: WorkflowContext, config: Any) -> StepResult:
        return StepResult.ok({"doubled": ctx.params["n"] * 2})

    return Workflow(name, [Step.lambda_("a", handler_returning(a=1)), Step.lambda_("b", second)], defaults={"n": 7})


@pytest.mark.parametrize("restart", [False, True])
def test_a_workflow_as_a_pipeline(restart: bool) -> None:
    done = run_steps(step(build_inner_workflow(), params={"n": 3}), restart=restart)
    assert done.output("p")["doubled"] == 6
    assert done.output("p")["pipeline_result"]["metrics"] == {"doubled": 6}
    (child,) = done.children
    assert (child.run_id, child.program.plan.name) == ("r/p.1.0", "w/p")


def test_a_registered_workflow_keeps_its_name() -> None:
    register_workflow(build_inner_workflow("inner.flow"))
    done = run_steps(step("inner.flow"))
    assert done.output("p")["doubled"] == 14
    assert done.children[0].program.plan.name == "inner.flow"


def test_a_workflow_of_tasks() -> None:
    with WorkflowBuilder("of.tasks"):

        @task()
        def add(context: Any) -> dict[str, int]:
            return {"sum": context["x"] + 1}

    seen: list[Any] = []
    child = registry.get("of.tasks")
    outer = Workflow("w", [step("of.tasks")])
    assert outer.program().child_definitions() == {0: child}
    assert seen == []


def test_a_workflow_that_fails() -> None:
    broken = Workflow("broken", [Step.lambda_("a", lambda ctx, config: 3)])
    done = run_steps(step(broken), step_after())
    assert done.error_kinds["p"] == "DEPENDENCY"
    assert done.error.startswith("workflow 'w/p': a: StepReturnError")


def step_after() -> Step:
    return Step.lambda_("after", handler_returning())


def test_a_workflow_cannot_run_itself() -> None:
    flow = register_workflow(Workflow("self", [Step.pipeline("p", "self")]))
    from tests.steps.driver import KernelRun

    done = KernelRun(flow.program(), {}).run_to_end()
    assert done.error_kinds == {"p": "CONFIGURATION"}
    assert "self -> self" in done.error


def test_nor_by_way_of_another() -> None:
    from tests.steps.driver import KernelRun

    register_workflow(Workflow("one", [Step.pipeline("p", "two")]))
    register_workflow(Workflow("two", [Step.pipeline("q", "one")]))
    assert {"one", "two"} <= {*registry.executable_names()}
    done = KernelRun(registry.get("one"), {}).run_to_end()
    assert "one -> two -> one" in done.error
