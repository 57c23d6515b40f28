"""Map steps: items to child runs, and their results to an output."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from holdwater.errors import ConfigurationFailure
from holdwater.model.fanout import ChildResult, ChildRunsRequest
from holdwater.steps.base_step import ErrorPolicy
from holdwater.steps.context import MAP_INDEX_PARAM, WorkflowContext
from holdwater.steps.delta import INPUT_CELL, RunInput
from holdwater.steps.immutable_values import encode_value, encode_values
from holdwater.steps.result import StepResult
from holdwater.steps.step import MapStep
from holdwater.steps.suspension import EngineRequest, RequestFn


class ConcurrencyLimits(Protocol):
    """Limits of a runner."""

    @property
    def max_concurrent_steps(self) -> int | None: ...


def execute_map(
    step: MapStep, context: WorkflowContext, submit_request: RequestFn, limits: ConcurrencyLimits
) -> StepResult:
    """Run the iterator for every item and collect the results."""
    stop = step.on_error is not ErrorPolicy.CONTINUE

    def request() -> EngineRequest:
        width = min(step.max_concurrency, limits.max_concurrent_steps or step.max_concurrency)
        return EngineRequest(child_runs=ChildRunsRequest(_child_inputs(step, context), width, stop))

    return collect_results(step, submit_request(request).child_results or (), stop)


def collect_results(step: MapStep, child_results: Sequence[ChildResult | None], fail_fast: bool) -> StepResult:
    """Build the output of a map step, documented at `Step.map`."""
    done = [one if one is not None and one.status == "completed" else None for one in child_results]
    bad = [(i, one) for i, one in enumerate(child_results) if one is not None and one.status != "completed"]
    output = {
        "results": [None if one is None else last_output(one.values) for one in done],
        "item_count": len(child_results),
        "completed": len(done) - done.count(None),
        "failed": len(bad),
        "errors": [{"index": i, "error": one.error or one.status} for i, one in bad],
    }
    if bad and fail_fast:
        i, first = min(bad, key=lambda item: item[1].status != "failed")  # others were cancelled because of it
        text = f"item {i} of map step {step.name!r} failed: {first.error or first.status}"
        return StepResult.fail(text, "DEPENDENCY", output)
    return StepResult.ok(output)


def last_output(values: Mapping[str, Any]) -> Any:
    """Return the output of the last step of a child that has one; None if no step has."""
    for value in reversed(values.values()):  # type: ignore[call-overload]
        return value.copy()
    return None


def resolve_items(step: MapStep, context: WorkflowContext) -> list[Any]:
    """Return the items.  Raises ConfigurationFailure if they are not a list."""
    if step.items_path is not None:
        found = _resolve_path(step.items_path, step, context)
        where = f"items_path {step.items_path!r} leads to"
    else:
        found = step.items(context) if callable(step.items) else step.items
        where = "its function of items gave"
    if isinstance(found, (str, bytes, Mapping)) or not isinstance(found, Iterable):
        raise ConfigurationFailure(
            f"map step {step.name!r} needs a list of items; {where} {type(found).__name__}", hint="make it a list"
        )
    return list(found)


def _resolve_path(path: str, step: MapStep, context: WorkflowContext) -> Any:
    for source in (context.params, context.outputs):
        found: Any = source
        for part in path.split("."):
            if not isinstance(found, Mapping) or part not in found:
                break
            found = found[part]
        else:
            return found
    raise ConfigurationFailure(
        f"map step {step.name!r}: items_path {path!r} is neither among the params nor among the outputs",
        hint=f"params: {list(context.params)[:10]}; steps with outputs: {list(context.outputs)[:10]}",
    )


def _child_inputs(step: MapStep, context: WorkflowContext) -> tuple[Mapping[str, RunInput], ...]:
    """Build the inputs of the children, without the list of items, all of which each child would store."""
    params = {**encode_values(step.iterator_workflow.defaults, "defaults"), **context.params.stored_values()}
    if step.items_path is not None:
        params.pop(step.items_path, None)
    partition, metadata = context.partition.stored_values(), context.metadata.stored_values()
    starts = []
    for i, item in enumerate(resolve_items(step, context)):
        own = {
            step.item_param: encode_value(item, f"item {i} of map step {step.name!r}"),
            MAP_INDEX_PARAM: encode_value(i, MAP_INDEX_PARAM),
        }
        starts.append(
            {
                INPUT_CELL: RunInput(
                    {**params, **own},
                    partition,
                    metadata=metadata,
                    batch_id=context.batch_id,
                    parent_id=context.run_id,
                )
            }
        )
    return tuple(starts)
