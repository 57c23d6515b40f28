"""What handlers get, return and raise."""

from __future__ import annotations

from typing import Any

import pytest

from holdwater.errors import WorkflowError
from holdwater.steps import (
    ErrorCategory,
    ErrorPolicy,
    QualityMetrics,
    QualityThresholds,
    RetryPolicy,
    Step,
    StepResult,
    StepSettings,
    WorkflowContext,
)
from tests.steps.driver import STARTED_AT_US, handler_returning, make_definition, run_steps

Config = dict[str, Any]


def test_context_and_config_are_positional() -> None:
    seen: list[Any] = []

    def handler(*args: Any) -> None:
        seen.extend(args)

    done = run_steps(Step.lambda_("a", handler, {"limit": 3}), params={"x": 1}, name="w", defaults={"x": 0, "y": 2})
    context, config = seen
    assert done.status == "completed"
    assert config == {"limit": 3}
    assert context.params == {"x": 1, "y": 2}
    assert (context.run_id, context.workflow_name) == ("r", "w")
    assert context.started_at.timestamp() == STARTED_AT_US / 1e6


def test_a_config_that_is_changed_is_not_the_steps() -> None:
    step = Step.lambda_("a", lambda ctx, config: config.clear(), {"limit": 3})
    run_steps(step)
    assert step.config == {"limit": 3}


@pytest.mark.parametrize(
    ("given", "output"),
    [(None, {}), ({"n": 1}, {"n": 1}), (StepResult.ok({"n": 2}), {"n": 2}), (StepResult.ok(), {})],
)
def test_what_a_handler_may_return(given: Any, output: Any) -> None:
    assert run_steps(Step.lambda_("a", lambda ctx, config: given)).context.outputs == {"a": output}


@pytest.mark.parametrize("given", [3, "text", [1], True])
def test_anything_else_fails_and_says_what_to_return(given: Any) -> None:
    done = run_steps(Step.lambda_("a", lambda ctx, config: given))
    assert done.status == "failed"
    assert type(given).__name__ in done.error
    assert "StepResult.ok" in done.error


class Object:
    def __call__(self, ctx: WorkflowContext, config: Config) -> Config:
        return {"called": True}


def test_an_object_is_a_handler() -> None:
    assert run_steps(Step.lambda_("a", Object())).output("a") == {"called": True}


@pytest.mark.parametrize("conducted", [False, True])
def test_an_async_handler_is_awaited(conducted: bool) -> None:
    async def handler(ctx: WorkflowContext, config: Config) -> StepResult:
        return StepResult.ok({"x": ctx.params["x"]}, {"y": 2})

    settings = StepSettings(wrapper=lambda step, context, work: work(step, context)) if conducted else None
    step = Step.lambda_("a", handler)
    assert make_definition(step, settings=settings).is_async(0) is not conducted
    done = run_steps(step, params={"x": 1}, settings=settings)
    assert done.output("a") == {"x": 1}
    assert done.context.params["y"] == 2


def test_an_async_handler_that_raises() -> None:
    async def handler(ctx: WorkflowContext, config: Config) -> None:
        raise ConnectionError("gone")

    done = run_steps(Step.lambda_("a", handler))
    assert done.error_kinds == {"a": "TRANSIENT"}
    assert done.error == "ConnectionError: gone"


class Marked(Exception):
    def __init__(self, category: Any = None, retryable: Any = None) -> None:
        super().__init__("marked")
        self.category, self.retryable = category, retryable


@pytest.mark.parametrize(
    ("error", "category"),
    [
        (ValueError("v"), "INTERNAL"),
        (TimeoutError("t"), "TIMEOUT"),
        (ConnectionError("c"), "TRANSIENT"),
        (OSError("o"), "TRANSIENT"),
        (Marked("NETWORK"), "TRANSIENT"),
        (Marked("VALIDATION"), "DATA_QUALITY"),
        (Marked(ErrorCategory.DEPENDENCY), "DEPENDENCY"),
        (Marked("QUALITY_GATE"), "QUALITY_GATE"),
        (Marked(retryable=True), "TRANSIENT"),
        (Marked(), "INTERNAL"),
    ],
)
def test_categories_of_exceptions(error: Exception, category: str) -> None:
    def handler(ctx: WorkflowContext, config: Config) -> None:
        raise error

    done = run_steps(Step.lambda_("a", handler))
    assert done.error_kinds == {"a": category}
    assert done.error == f"{type(error).__name__}: {error}"


def test_the_result_of_a_failure() -> None:
    done = run_steps(Step.lambda_("a", lambda ctx, config: StepResult.fail("no rows", ErrorCategory.DATA_QUALITY)))
    assert (done.status, done.error, done.error_kinds) == ("failed", "no rows", {"a": "DATA_QUALITY"})
    assert ErrorCategory.TIMEOUT == "TIMEOUT"


def test_nothing_of_a_failed_step_is_merged() -> None:
    def handler(ctx: WorkflowContext, config: Config) -> StepResult:
        failed = StepResult.fail("no", output={"part": 1}, quality=QualityMetrics(3))
        failed.context_updates = {"x": 1}
        return failed

    done = run_steps(Step.lambda_("a", handler, on_error="continue"), Step.lambda_("b", handler_returning(n=1)))
    assert done.status == "completed"
    assert done.states == {"a": "failed", "b": "succeeded"}
    assert done.context.outputs == {"b": {"n": 1}}
    assert "x" not in done.context.params
    assert done.context.get_quality("a") is None
    assert done.errors == {"a": "no"}


def test_output_then_params_then_quality() -> None:
    def first(ctx: WorkflowContext, config: Config) -> StepResult:
        return StepResult.ok({"n": 1}, {"x": 2}, QualityMetrics(10, 9))

    seen: list[WorkflowContext] = []
    done = run_steps(Step.lambda_("a", first), Step.lambda_("b", lambda ctx, config: seen.append(ctx)), params={"x": 1})
    (context,) = seen
    assert context.params == {"x": 2}
    assert context.get_output("a", "n") == 1
    quality = context.get_quality("a")
    assert quality is not None
    assert (quality.invalid_count, quality.valid_rate) == (1, 0.9)
    assert not done.context.has_output("missing")


def test_a_value_that_cannot_be_stored_fails_the_step_and_says_where() -> None:
    done = run_steps(Step.lambda_("load", lambda ctx, config: {"deep": [{"lock": object()}]}))
    assert done.status == "failed"
    assert "the output of step 'load'" in done.error
    assert "deep[0].lock" in done.error


def test_a_skip_is_a_success_with_a_reason() -> None:
    done = run_steps(Step.lambda_("a", lambda ctx, config: StepResult.skip("nothing new", {"seen": 3})))
    assert done.output("a") == {"seen": 3, "skipped": True, "skip_reason": "nothing new"}
    delta = done.board.step_delta(0)
    assert delta is not None
    assert delta.skipped == "nothing new"


def test_events_and_checkpoint_marks_are_recorded() -> None:
    def handler(ctx: WorkflowContext, config: Config) -> StepResult:
        return StepResult.ok(events=[{"type": "page", "n": 1}], checkpoint=True)

    delta = run_steps(Step.lambda_("a", handler), restart=True).board.step_delta(0)
    assert delta is not None
    assert delta.checkpoint
    assert delta.events is not None
    assert delta.events.copy() == [{"type": "page", "n": 1}]


# -- gates


@pytest.mark.parametrize(
    ("metrics", "why"),
    [
        (QualityMetrics(100, 80), "valid rate 0.8 is below 0.9"),
        (QualityMetrics(5, 5), "5 records are fewer than 10"),
        (QualityMetrics(2000, 2000), "2000 records are more than 1000"),
        (QualityMetrics(100, 100, null_rate=0.5), "null rate 0.5 is above 0.1"),
        (None, "no metrics"),
    ],
)
def test_thresholds_are_gates(metrics: QualityMetrics | None, why: str) -> None:
    limits = QualityThresholds(0.9, 0.1, 10, 1000)
    step = Step.lambda_("a", lambda ctx, config: StepResult.ok(quality=metrics), quality_thresholds=limits)
    done = run_steps(step)
    assert done.error_kinds == {"a": "DATA_QUALITY"}
    assert why in done.error


def test_what_meets_its_thresholds_passes() -> None:
    step = Step.lambda_(
        "a",
        lambda ctx, config: StepResult.ok(quality=QualityMetrics(10, 10, passed=False, failure_reasons=["late"])),
        quality_thresholds={"min_record_count": 10},
    )
    done = run_steps(step)
    quality = done.context.get_quality("a")
    assert quality is not None
    assert (done.status, quality.passed, quality.failure_reasons) == ("completed", False, ["late"])


def test_all_invalid_is_all_invalid() -> None:
    assert QualityMetrics(10, 0).invalid_count == 10
    assert QualityMetrics(10, invalid_count=3).valid_count == 7
    assert QualityMetrics(0).valid_rate == 0.0


# -- retries


def fails_times(times: int, error: Exception) -> Any:
    calls: list[int] = []

    def handler(ctx: WorkflowContext, config: Config) -> Config:
        calls.append(1)
        if len(calls) <= times:
            raise error
        return {"calls": len(calls)}

    return handler


def test_retry_tries_three_times_with_growing_delays() -> None:
    done = run_steps(Step.lambda_("a", fails_times(2, RuntimeError("no")), on_error=ErrorPolicy.RETRY))
    assert done.output("a") == {"calls": 3}
    assert done.slept_seconds == [1.0, 2.0]


def test_retries_used_up_stop_the_run() -> None:
    done = run_steps(
        Step.lambda_("a", fails_times(9, RuntimeError("no")), on_error="retry"), Step.lambda_("b", handler_returning())
    )
    assert done.states == {"a": "failed", "b": "waiting"}
    assert len(done.attempts) == 3


def test_a_runners_default_policy() -> None:
    settings = StepSettings(default_retry=RetryPolicy(max_attempts=2, backoff="constant", initial_delay=5))
    done = run_steps(Step.lambda_("a", fails_times(1, RuntimeError("no")), on_error="retry"), settings=settings)
    assert (done.status, done.slept_seconds) == ("completed", [5.0])


@pytest.mark.parametrize(
    ("error", "attempts"), [(TimeoutError("t"), 3), (ValueError("v"), 1), (Marked(retryable=False), 1)]
)
def test_only_these_categories(error: Exception, attempts: int) -> None:
    retry = RetryPolicy(max_attempts=3, retryable_errors=[ErrorCategory.TRANSIENT, "TIMEOUT"])
    assert len(run_steps(Step.lambda_("a", fails_times(9, error), retry=retry)).attempts) == attempts


def test_an_exception_that_says_it_is_final() -> None:
    assert len(run_steps(Step.lambda_("a", fails_times(9, Marked(retryable=False)), on_error="retry")).attempts) == 1


def test_types_of_exceptions_decide_too() -> None:
    retry = RetryPolicy(max_attempts=2, initial_delay=0, retry_on=[KeyError])
    assert run_steps(Step.lambda_("a", fails_times(1, KeyError("k")), retry=retry)).status == "completed"
    assert run_steps(Step.lambda_("a", fails_times(1, ValueError("v")), retry=retry)).status == "failed"


def test_retry_then_continue() -> None:
    retry = RetryPolicy(max_attempts=2, initial_delay=0)
    done = run_steps(
        Step.lambda_("a", fails_times(9, OSError("o")), on_error="continue", retry=retry),
        Step.lambda_("b", handler_returning(n=1)),
    )
    assert done.attempts == ["a", "a", "b"]
    assert done.status == "completed"


def test_time_outs() -> None:
    steps = [
        Step.lambda_("both", handler_returning(), {"timeout": 5}, timeout=7),
        Step.lambda_("step", handler_returning(), timeout=7),
        Step.lambda_("runner", handler_returning()),
    ]
    limits = [
        make_definition(*steps, settings=StepSettings(default_timeout_seconds=9)).policy(i).timeout_seconds
        for i in range(3)
    ]
    assert limits == [5.0, 7.0, 9.0]
    unlimited = make_definition(*steps).policy(2).timeout_seconds
    assert unlimited is not None
    assert unlimited > 1e9


def test_results_as_data() -> None:
    assert StepResult.ok({"n": 1}).to_dict() == {"success": True, "output": {"n": 1}}
    failed = StepResult(success=False)
    assert failed.error == "Step failed without error message"
    assert StepResult.fail("no", ErrorCategory.TIMEOUT).to_dict() == {
        "success": False,
        "error": "no",
        "error_category": "TIMEOUT",
    }


def test_an_output_is_a_dict() -> None:
    done = run_steps(Step.lambda_("a", lambda ctx, config: StepResult.ok([1, 2])))  # type: ignore[arg-type]
    assert "the output of a StepResult is a dict, not list" in done.error


@pytest.mark.parametrize("handler", [lambda: None, lambda ctx: None, lambda ctx, config, more: None])
def test_a_handler_that_cannot_be_called_so_is_refused_at_once(handler: Any) -> None:
    with pytest.raises(WorkflowError, match="step 'a': handler") as caught:
        Step.lambda_("a", handler)
    assert "(context, config)" in str(caught.value)


def test_a_condition_takes_the_context() -> None:
    with pytest.raises(WorkflowError, match="condition"):
        Step.choice("c", lambda ctx, config: True, "a")  # type: ignore[misc, arg-type]
