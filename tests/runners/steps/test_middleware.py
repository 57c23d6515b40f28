"""Middleware: order, attempts, kinds of steps, threads, and what it may do with `next_fn`."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Any

import pytest

from holdwater import RetryPolicy
from holdwater.errors import ConfigError
from holdwater.runners.steps import WorkflowRunner
from holdwater.steps import ErrorPolicy, Step, StepResult, Workflow, pipeline
from holdwater.steps.step import LambdaStep, MapStep, WaitStep
from tests.runners.steps.conftest import MakeRunner
from tests.runners.steps.shapes import Config, Context, FailingHandler, recording_step

NextFn = Callable[[Step, Context], StepResult]
variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="nothing")


def workflow_of_every_kind(calls: list[str]) -> Workflow:
    @pipeline("counting")
    def counting(params: Config) -> Config:
        calls.append("pipeline")
        return {"rows": 1}

    steps = [
        recording_step("lambda", calls),
        Step.choice("choice", lambda ctx: True, "wait"),
        Step.wait("wait", 0.001),
        Step.map("map", items=[1, 2], iterator=Workflow(steps=[recording_step("item", calls)]), max_concurrency=1),
        Step.pipeline("pipeline", "counting"),
    ]
    return Workflow("kinds", steps)


def test_the_first_registered_is_the_outermost(make: MakeRunner) -> None:
    runner, told = make(), []

    def telling(name: str) -> Callable[[Step, Context, NextFn], StepResult]:
        def middleware(step: Step, context: Context, next_fn: NextFn) -> StepResult:
            told.append(f"{name} before")
            result = next_fn(step, context)
            told.append(f"{name} after")
            return result

        return middleware

    outer, inner = telling("outer"), telling("inner")
    assert runner.middleware(outer) is outer
    runner.middleware(inner)
    calls: list[str] = told
    runner.execute(Workflow("w", [recording_step("a", calls)]))
    assert told == ["outer before", "inner before", "a", "inner after", "outer after"]


def test_it_is_around_every_kind_of_step(make: MakeRunner) -> None:
    runner, calls = make(), list[str]()
    seen: list[tuple[str, str, list[str]]] = []

    @runner.middleware
    def tell(step: Step, context: Context, next_fn: NextFn) -> StepResult:
        result = next_fn(step, context)
        seen.append((step.name, str(step.step_type), sorted(result.output)))
        return result

    result = runner.execute(workflow_of_every_kind(calls))
    assert result.status == "completed"
    assert calls == ["lambda", "item", "item", "pipeline"]
    assert seen == [
        ("lambda", "lambda", ["name"]),
        ("choice", "choice", ["branch", "condition_result"]),
        ("wait", "wait", ["waited_seconds"]),
        ("item", "lambda", ["name"]),
        ("item", "lambda", ["name"]),
        ("map", "map", ["completed", "errors", "failed", "item_count", "results"]),
        ("pipeline", "pipeline", ["pipeline_result", "rows"]),
    ]


def test_it_is_around_every_attempt(make: MakeRunner) -> None:
    runner, seen = make(), []

    @runner.middleware
    def tell(step: Step, context: Context, next_fn: NextFn) -> StepResult:
        result = next_fn(step, context)
        seen.append(result.success)
        return result

    policy = RetryPolicy(max_attempts=3, initial_delay=0.0)
    runner.execute(Workflow("w", [Step.lambda_("a", FailingHandler(2), on_error=ErrorPolicy.RETRY, retry=policy)]))
    assert seen == [False, False, True]


@pytest.mark.parametrize("kind", ["lambda", "choice", "wait", "map", "pipeline"])
def test_next_fn_in_another_thread_and_twice(make: MakeRunner, kind: str) -> None:
    runner, calls = make(), list[str]()
    results: list[StepResult] = []

    @runner.middleware
    def elsewhere(step: Step, context: Context, next_fn: NextFn) -> StepResult:
        if step.name != kind:
            return next_fn(step, context)
        threads = [threading.Thread(target=lambda: results.append(next_fn(step, context))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        results.append(next_fn(step, context))
        return results[0]

    result = runner.execute(workflow_of_every_kind(calls))
    assert (result.status, calls) == ("completed", ["lambda", "item", "item", "pipeline"])
    assert len(results) == 3
    assert results[0] is results[1] is results[2]


def test_what_is_raised_is_raised_again(make: MakeRunner) -> None:
    runner, seen = make(), []

    class Broken(WorkflowRunner):
        def _execute_lambda(self, step: LambdaStep, context: Context) -> StepResult:
            seen.append("called")
            raise OSError("no network")

    with Broken() as broken:

        @broken.middleware
        def twice(step: Step, context: Context, next_fn: NextFn) -> StepResult:
            for _ in range(2):
                try:
                    next_fn(step, context)
                except OSError as error:
                    seen.append(str(error))
            return next_fn(step, context)

        result = broken.execute(Workflow("w", [recording_step("a", [])]))
    assert seen == ["called", "no network", "no network"]
    assert (result.status, result.error, result.error_category) == ("failed", "OSError: no network", "TRANSIENT")
    assert runner.execute(Workflow("w", [recording_step("a", [])])).status == "completed"


def test_not_calling_next_fn_skips_the_work(make: MakeRunner) -> None:
    runner, calls = make(), list[str]()

    @runner.middleware
    def cached(step: Step, context: Context, next_fn: NextFn) -> StepResult:
        return StepResult.ok({"cached": step.name}) if step.name == "a" else next_fn(step, context)

    result = runner.execute(Workflow("w", [recording_step("a", calls), recording_step("b", calls)]))
    assert (calls, result.context.get_output("a", "cached")) == (["b"], "a")


def test_another_context_and_a_changed_result(make: MakeRunner) -> None:
    runner = make()

    @runner.middleware
    def changes(step: Step, context: Context, next_fn: NextFn) -> StepResult:
        result = next_fn(step, context.with_params({"x": context.params["x"] + 1}))
        return StepResult.ok({**result.output, "more": True})

    def handler(ctx: Context, config: Config) -> Config:
        return {"x": ctx.params["x"]}

    result = runner.execute(Workflow("w", [Step.lambda_("a", handler)]), params={"x": 1})
    assert result.context.get_output("a") == {"x": 2, "more": True}
    assert result.context.params["x"] == 1


@pytest.mark.parametrize("given", [None, {"a": 1}, 3])
def test_a_middleware_that_returns_no_result(make: MakeRunner, given: Any) -> None:
    runner = make()

    @runner.middleware
    def forgets(step: Step, context: Context, next_fn: NextFn) -> StepResult:
        next_fn(step, context)
        return given  # type: ignore[no-any-return]

    result = runner.execute(Workflow("w", [recording_step("a", [])]))
    assert result.status == "failed"
    assert "middleware 'forgets' returned" in (result.error or "")
    assert "next_fn(step, context)" in (result.error or "")


def test_a_middleware_that_raises_fails_the_step(make: MakeRunner) -> None:
    runner = make()

    @runner.middleware
    def broken(step: Step, context: Context, next_fn: NextFn) -> StepResult:
        raise TimeoutError("too slow")

    result = runner.execute(Workflow("w", [recording_step("a", [], on_error="continue"), Step.wait("b", 1.0)]))
    assert (result.failed_steps, result.error_category) == (["a", "b"], "TIMEOUT")


def test_what_is_no_middleware(make: MakeRunner) -> None:
    with pytest.raises(ConfigError, match="step, context, next_fn"):
        make().middleware(3)  # type: ignore[type-var]


def test_handlers_have_the_context_variables_of_the_caller(make: MakeRunner) -> None:
    runner = make()
    seen: dict[str, str] = {}

    def look(name: str) -> Callable[[Context, Config], None]:
        def handler(ctx: Context, config: Config) -> None:
            seen[name] = variable.get()

        return handler

    async def awaited(ctx: Context, config: Config) -> None:
        seen["awaited"] = variable.get()

    def condition(ctx: Context) -> bool:
        seen["condition"] = variable.get()
        return True

    @runner.middleware
    def around(step: Step, context: Context, next_fn: NextFn) -> StepResult:
        if step.name != "set":
            return next_fn(step, context)
        variable.set("middleware")
        return next_fn(step, context)

    steps = [
        Step.lambda_("plain", look("plain")),
        Step.lambda_("set", look("set")),
        Step.lambda_("awaited", awaited),
        Step.choice("choice", condition, "map"),
        Step.map("map", items=[1], iterator=Workflow(steps=[Step.lambda_("item", look("item"))])),
    ]
    token = variable.set("caller")
    try:
        result = runner.execute(Workflow("variables", steps))
    finally:
        variable.reset(token)
    assert result.status == "completed"
    assert seen == {
        "plain": "caller",
        "set": "middleware",
        "awaited": "caller",
        "condition": "caller",
        "item": "caller",
    }


# -- subclasses


def test_every_hook_is_called_for_its_kind(make: MakeRunner) -> None:
    seen: list[str] = []

    class Custom(WorkflowRunner):
        def _execute_lambda(self, step: LambdaStep, context: Context) -> StepResult:
            seen.append(f"lambda {step.name}")
            return super()._execute_lambda(step, context)

        def _execute_choice(self, step: Any, context: Context) -> StepResult:
            seen.append(f"choice {step.name}")
            return super()._execute_choice(step, context)

        def _execute_pipeline(self, step: Any, context: Context) -> StepResult:
            seen.append(f"pipeline {step.name}")
            return super()._execute_pipeline(step, context)

        def _execute_wait(self, step: WaitStep, context: Context) -> StepResult:
            result = super()._execute_wait(step, context)
            seen.append(f"wait {step.name} {result.success}")
            return result

        def _execute_map(self, step: MapStep, context: Context) -> StepResult:
            result = super()._execute_map(step, context)
            seen.append(f"map {step.name} {result.output['completed']}")
            return result

    calls: list[str] = []
    with Custom() as runner:
        assert runner.execute(workflow_of_every_kind(calls)).status == "completed"
    assert seen == [
        "lambda lambda", "choice choice", "wait wait True", "lambda item", "lambda item", "map map 2",
        "pipeline pipeline",
    ]  # fmt: skip
    assert calls == ["lambda", "item", "item", "pipeline"]


def test_a_hook_outside_of_a_run(make: MakeRunner) -> None:
    with pytest.raises(RuntimeError, match="is carried out by a run"):
        make()._execute_lambda(recording_step("a", []), Context())
