"""Execution of steps, by kind."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from holdwater.errors import ConfigurationFailure, TaskCancelled
from holdwater.model.coroutines import run_awaitable
from holdwater.model.fanout import ChildRunsRequest
from holdwater.model.policies import RetryPolicy
from holdwater.model.ports.definition import WorkflowDefinition
from holdwater.model.registry import registry
from holdwater.model.time import Micros
from holdwater.steps.context import WorkflowContext
from holdwater.steps.map_steps import execute_map, last_output
from holdwater.steps.pipelines import PipelineRunResult, pipeline_registry, prepare_call, prepare_dispatch, run_pipeline
from holdwater.steps.quality import QualityThresholds
from holdwater.steps.result import StepResult, to_step_result
from holdwater.steps.step import ChoiceStep, LambdaStep, MapStep, RunPipelineStep, Step, WaitStep
from holdwater.steps.step_config import copy_config
from holdwater.steps.suspension import EngineRequest, RequestFn, StepSuspended, SuspendedSteps
from holdwater.steps.wait_steps import execute_wait

StepFunction = Callable[[Step, WorkflowContext], StepResult]


class StepWrapper(Protocol):
    """User code (middleware) around every attempt of every step.

    `work(step, context)` executes the step and returns its result, a failed one if the step raises; for a map, a wait
    and a child workflow it blocks until the engine has finished them.  Without the call the step is not executed.
    """

    def __call__(self, step: Step, context: WorkflowContext, work: StepFunction) -> StepResult: ...


@dataclass(frozen=True, kw_only=True)
class StepSettings:
    """Settings of a runner for the execution of steps; child runs share them.

    `dry_run`: pipelines are not called and waits are skipped; handlers see the param `__dry_run__`.  `dispatcher`:
    runs named pipelines: `submit(name, params)`, `run(name, params)` or a function of both.  `default_retry`: for
    steps with `on_error=RETRY` and no policy of their own.  `default_timeout_seconds`: per attempt; None: no limit.
    `max_concurrent_steps`: upper bound of the concurrent items of a map.
    """

    dry_run: bool = False
    dispatcher: Any = None
    wrapper: StepWrapper | None = None
    default_retry: RetryPolicy | None = None
    default_timeout_seconds: float | None = None
    max_concurrent_steps: int | None = None
    suspended_steps: SuspendedSteps = field(default_factory=SuspendedSteps, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class StepEnvironment:
    """The environment of an execution: settings, clock, enclosing workflows, and the child workflow to run."""

    settings: StepSettings
    now: Callable[[], Micros]
    lineage: tuple[str, ...]
    child_definition: Callable[[], WorkflowDefinition | None]


def execute_step(
    step: Step, context: WorkflowContext, submit_request: RequestFn, environment: StepEnvironment
) -> StepResult:
    """Execute a step; returns a failed result if it raises."""
    try:
        match step:
            case LambdaStep():
                given = step.handler(context, copy_config(step.config))
                if inspect.isawaitable(given):
                    given = run_awaitable(given)
                return check_handler_result(step, given)
            case RunPipelineStep():
                return _execute_pipeline(step, context, submit_request, environment)
            case ChoiceStep():
                return _execute_choice(step, context)
            case MapStep():
                return execute_map(step, context, submit_request, environment.settings)
            case WaitStep():
                return execute_wait(step, context, submit_request, environment.now, environment.settings.dry_run)
        raise ConfigurationFailure(f"step {step.name!r} is of no kind that can be run: {type(step).__name__}")
    except (StepSuspended, TaskCancelled):
        raise
    except Exception as error:  # noqa: BLE001 - whatever a step raises is its result
        return StepResult.fail(error)


async def execute_step_async(step: LambdaStep, context: WorkflowContext) -> StepResult:
    """Execute a step whose handler is awaited; returns a failed result if it raises."""
    try:
        given = step.handler(context, copy_config(step.config))
        if inspect.isawaitable(given):
            awaiting: Awaitable[Any] = given
            given = await awaiting
        return check_handler_result(step, given)
    except TaskCancelled:
        raise
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001 - as above; a cancellation is none
        return StepResult.fail(error)


def check_handler_result(step: LambdaStep, returned: Any) -> StepResult:
    """Convert the return value of a handler and check its quality thresholds.  Raises StepReturnError."""
    result = to_step_result(returned, f"the handler of step {step.name!r}")
    if not result.success or step.quality_thresholds is None:
        return result
    wrong = _threshold_violations(step.quality_thresholds, result)
    if not wrong:
        return result
    return StepResult.fail(
        f"quality of step {step.name!r}: {'; '.join(wrong)}", "DATA_QUALITY", result.output, result.quality
    )


def _threshold_violations(thresholds: QualityThresholds, result: StepResult) -> list[str]:
    if result.quality is None:
        return ["there are thresholds, and no metrics (return StepResult.ok(quality=QualityMetrics(...)))"]
    return thresholds.check(result.quality)


def _execute_choice(step: ChoiceStep, context: WorkflowContext) -> StepResult:
    try:
        holds = bool(step.condition(context))
    except Exception as error:  # noqa: BLE001 - it fails the step
        failed = StepResult.fail(error)
        failed.error = f"Condition evaluation failed: {failed.error}"
        return failed
    branch = "then" if holds else "else"
    return StepResult.ok({"condition_result": holds, "branch": branch}, {f"__choice_{step.name}": branch})


# -- pipelines


def _execute_pipeline(
    step: RunPipelineStep, context: WorkflowContext, submit_request: RequestFn, environment: StepEnvironment
) -> StepResult:
    name = step.pipeline_name
    if environment.settings.dry_run:
        return StepResult.ok({"dry_run": True, "pipeline": name})
    child = environment.child_definition()
    if child is not None:
        return _execute_child_workflow(step, context, child, submit_request, environment)
    params = {**context.params.to_dict(), **copy_config(step.params)}
    source = step.source
    if isinstance(source, str):
        if environment.settings.dispatcher is not None:
            return _pipeline_step_result(
                run_pipeline(prepare_dispatch(environment.settings.dispatcher, name, params), name)
            )
        source = pipeline_registry.find(name)
        if source is None:
            raise pipeline_registry.not_found(name)
    return _pipeline_step_result(run_pipeline(prepare_call(source, params), name))


def find_child_workflow(step: RunPipelineStep, settings: StepSettings) -> Any:
    """Return the workflow a pipeline step runs: a given one, or that registered under its name; None for neither."""
    if not isinstance(step.source, str):
        return step.source if hasattr(step.source, "program") else None
    if settings.dispatcher is not None or pipeline_registry.find(step.source) is not None:
        return None
    return registry.find(step.source)


def _execute_child_workflow(
    step: RunPipelineStep,
    context: WorkflowContext,
    child: WorkflowDefinition,
    submit_request: RequestFn,
    environment: StepEnvironment,
) -> StepResult:
    name = child.plan.name
    if name in environment.lineage:
        raise ConfigurationFailure(
            f"step {step.name!r} runs workflow {name!r} inside of itself: {' -> '.join((*environment.lineage, name))}",
            hint="a workflow cannot be a pipeline of its own",
        )

    def request() -> EngineRequest:
        params = {**child.select_inputs(context.params.to_dict()), **step.params}
        return EngineRequest(child_runs=ChildRunsRequest((child.encode_inputs(params),)))

    view = submit_request(request)
    outcome = (view.child_results or (None,))[0]
    if outcome is None or outcome.status != "completed":
        error = "it never ran" if outcome is None else outcome.error or outcome.status
        result = PipelineRunResult("failed", error=f"workflow {name!r}: {error}", error_category="DEPENDENCY")
        return _pipeline_step_result(result)
    if child.plan.style == "steps":
        metrics = last_output(outcome.values)
    else:
        metrics = {key: value.copy() for key, value in outcome.values.items()}
    return _pipeline_step_result(PipelineRunResult("completed", metrics=metrics or {}))


def _pipeline_step_result(result: PipelineRunResult) -> StepResult:
    if result.failed:
        return StepResult.fail(
            result.error or "the pipeline failed", result.error_category, {"pipeline_result": result.to_dict()}
        )
    return StepResult.ok({**result.metrics, "pipeline_result": result.to_dict()})
