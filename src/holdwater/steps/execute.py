"""What a step really does, kind by kind."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from holdwater.errors import ConfigurationFailure, TaskCancelled
from holdwater.model.coroutines import run_to_end
from holdwater.model.fanout import Spread
from holdwater.model.policies import RetryPolicy
from holdwater.model.ports import Program
from holdwater.model.registry import registry
from holdwater.steps.context import WorkflowContext
from holdwater.steps.map_steps import last_output, mapped
from holdwater.steps.pipelines import PipelineResult, carried_out, dispatched, pipeline_registry, starter
from holdwater.steps.quality import QualityThresholds
from holdwater.steps.result import StepResult, result_of
from holdwater.steps.step import ChoiceStep, LambdaStep, MapStep, PipelineStep_, Step, WaitStep
from holdwater.steps.step_config import own_dict
from holdwater.steps.suspension import Ask, Asked, Conversations, Request
from holdwater.steps.wait_steps import waited

Work = Callable[[Step, WorkflowContext], StepResult]


class Conduct(Protocol):
    """Somebody's own code around every step: each kind, and each attempt.

    `work(step, context)` does what the step is for and gives its result, a failed one for what the step raises; for a
    map, a wait and a child workflow it blocks until the engine is done with them.  Not calling it skips the work.
    """

    def __call__(self, step: Step, context: WorkflowContext, work: Work) -> StepResult: ...


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a runner wants steps to be carried out; child runs have the same.

    `dry_run`: pipelines are not called and nobody waits; handlers see `__dry_run__` among their params.  `dispatcher`:
    runs named pipelines: `submit(name, params)`, `run(name, params)` or a function of both.  `default_retry`: for
    steps with `on_error=RETRY` and no policy of their own.  `default_timeout_s`: per attempt; None: no limit.
    `max_concurrent_steps`: how many items of a map run at once at most.
    """

    dry_run: bool = False
    dispatcher: Any = None
    conduct: Conduct | None = None
    default_retry: RetryPolicy | None = None
    default_timeout_s: float | None = None
    max_concurrent_steps: int | None = None
    conversations: Conversations = field(default_factory=Conversations, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a step is carried out: under which settings, when, in which workflows, with which workflow to run."""

    settings: Settings
    now: Callable[[], int]
    lineage: tuple[str, ...]
    child: Callable[[], Program | None]


def work_of(step: Step, context: WorkflowContext, ask: Ask, place: Place) -> StepResult:
    """The result of a step, a failed one for what it raises."""
    try:
        match step:
            case LambdaStep():
                given = step.handler(context, own_dict(step.config))
                if inspect.isawaitable(given):
                    given = run_to_end(given)
                return handled(step, given)
            case PipelineStep_():
                return _pipeline(step, context, ask, place)
            case ChoiceStep():
                return _choice(step, context)
            case MapStep():
                return mapped(step, context, ask, place.settings)
            case WaitStep():
                return waited(step, context, ask, place.now, place.settings.dry_run)
        raise ConfigurationFailure(f"step {step.name!r} is of no kind that can be run: {type(step).__name__}")
    except (Asked, TaskCancelled):
        raise
    except Exception as error:  # noqa: BLE001 - whatever a step raises is its result
        return StepResult.fail(error)


async def work_of_async(step: LambdaStep, context: WorkflowContext) -> StepResult:
    """The same for a handler that is awaited."""
    try:
        given = step.handler(context, own_dict(step.config))
        if inspect.isawaitable(given):
            awaiting: Awaitable[Any] = given
            given = await awaiting
        return handled(step, given)
    except TaskCancelled:
        raise
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001 - as above; a cancellation is none
        return StepResult.fail(error)


def handled(step: LambdaStep, given: Any) -> StepResult:
    """The result of a handler, which has to pass the step's gates.  Raises StepReturnError."""
    result = result_of(given, f"the handler of step {step.name!r}")
    if not result.success or step.quality_thresholds is None:
        return result
    wrong = _violations(step.quality_thresholds, result)
    if not wrong:
        return result
    return StepResult.fail(
        f"quality of step {step.name!r}: {'; '.join(wrong)}", "DATA_QUALITY", result.output, result.quality
    )


def _violations(thresholds: QualityThresholds, result: StepResult) -> list[str]:
    if result.quality is None:
        return ["there are thresholds, and no metrics (return StepResult.ok(quality=QualityMetrics(...)))"]
    return thresholds.check(result.quality)


def _choice(step: ChoiceStep, context: WorkflowContext) -> StepResult:
    try:
        holds = bool(step.condition(context))
    except Exception as error:  # noqa: BLE001 - it fails the step
        failed = StepResult.fail(error)
        failed.error = f"Condition evaluation failed: {failed.error}"
        return failed
    branch = "then" if holds else "else"
    return StepResult.ok({"condition_result": holds, "branch": branch}, {f"__choice_{step.name}": branch})


# -- pipelines


def _pipeline(step: PipelineStep_, context: WorkflowContext, ask: Ask, place: Place) -> StepResult:
    name = step.pipeline_name
    if place.settings.dry_run:
        return StepResult.ok({"dry_run": True, "pipeline": name})
    child = place.child()
    if child is not None:
        return _child(step, context, child, ask, place)
    params = {**context.params.to_dict(), **own_dict(step.params)}
    source = step.source
    if isinstance(source, str):
        if place.settings.dispatcher is not None:
            return _kept(carried_out(dispatched(place.settings.dispatcher, name, params), name))
        source = pipeline_registry.find(name)
        if source is None:
            raise pipeline_registry.not_found(name)
    return _kept(carried_out(starter(source, params), name))


def child_of(step: PipelineStep_, settings: Settings) -> Any:
    """The workflow the step runs: one that was given, or the program registered under the name; None if it is none."""
    if not isinstance(step.source, str):
        return step.source if hasattr(step.source, "program") else None
    if settings.dispatcher is not None or pipeline_registry.find(step.source) is not None:
        return None
    return registry.find(step.source)


def _child(step: PipelineStep_, context: WorkflowContext, child: Program, ask: Ask, place: Place) -> StepResult:
    name = child.plan.name
    if name in place.lineage:
        raise ConfigurationFailure(
            f"step {step.name!r} runs workflow {name!r} inside of itself: {' -> '.join((*place.lineage, name))}",
            hint="a workflow cannot be a pipeline of its own",
        )

    def request() -> Request:
        params = {**child.inputs_among(context.params.to_dict()), **step.params}
        return Request(spread=Spread((child.start(params),)))

    view = ask(request)
    outcome = (view.outcomes or (None,))[0]
    if outcome is None or outcome.status != "completed":
        error = "it never ran" if outcome is None else outcome.error or outcome.status
        result = PipelineResult("failed", error=f"workflow {name!r}: {error}", error_category="DEPENDENCY")
        return _kept(result)
    if child.plan.style == "steps":
        metrics = last_output(outcome.values)
    else:
        metrics = {key: value.copy() for key, value in outcome.values.items()}
    return _kept(PipelineResult("completed", metrics=metrics or {}))


def _kept(result: PipelineResult) -> StepResult:
    if result.failed:
        return StepResult.fail(
            result.error or "the pipeline failed", result.error_category, {"pipeline_result": result.to_dict()}
        )
    return StepResult.ok({**result.metrics, "pipeline_result": result.to_dict()})
