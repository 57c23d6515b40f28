"""Executions of steps: exceptions become failed results, and results of steps become those of nodes."""

from __future__ import annotations

from collections.abc import Callable

from holdwater.errors import HoldwaterError, StepFailed, TaskCancelled
from holdwater.model.results import NodeResult
from holdwater.steps.delta import StepDelta
from holdwater.steps.error_categories import is_non_retryable
from holdwater.steps.immutable_values import encode_value, encode_values
from holdwater.steps.jumps import JumpTable
from holdwater.steps.result import StepResult
from holdwater.steps.step import Step
from holdwater.steps.suspension import EngineRequest, StepSuspended


def catch_failure(call: Callable[[], EngineRequest | StepResult]) -> EngineRequest | StepResult:
    """Call what executes a step; whatever it raises fails the step, but for a cancellation.  Raises TaskCancelled."""
    try:
        return call()
    except StepSuspended as suspended:
        return suspended.request
    except TaskCancelled:
        raise
    except BaseException as error:  # noqa: BLE001 - SystemExit too fails the step
        return StepResult.fail(error)


def to_node_result(step: Step, outcome: EngineRequest | StepResult, jumps: JumpTable) -> NodeResult:
    """Convert the outcome of a step.  Raises StepFailed for a failed one, and for one that cannot be stored."""
    if isinstance(outcome, EngineRequest):
        return NodeResult(child_runs=outcome.child_runs, wait_until=outcome.wait_until)
    try:
        if outcome.success:
            return NodeResult((_build_delta(step, outcome),), jumps.skipped_ranges(step, outcome))
    except HoldwaterError as error:  # it cannot be stored, or its jump is invalid
        outcome = StepResult.fail(error)
    category = outcome.error_category or "INTERNAL"
    raise StepFailed(category, outcome.error or "", is_non_retryable(outcome.cause)) from outcome.cause


def _build_delta(step: Step, result: StepResult) -> StepDelta:
    """Encode the result of a step.  Raises EncodingError with the step and the key path."""
    who = f"step {step.name!r}"
    quality = None if result.quality is None else encode_value(result.quality.to_dict(), f"the quality of {who}")
    return StepDelta(
        encode_value(dict(result.output), f"the output of {who}"),
        encode_values(result.context_updates, f"the context_updates of {who}"),
        quality,
        encode_value(list(result.events), f"the events of {who}") if result.events else None,
        result.skip_reason,
        result.checkpoint or step.checkpoint,
    )
