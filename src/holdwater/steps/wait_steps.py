"""Wait steps: computation of their wake-up instant."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from holdwater.errors import ConfigurationFailure
from holdwater.model import validation
from holdwater.model.time import Micros, add_seconds, from_datetime, to_rfc3339
from holdwater.steps.context import WorkflowContext
from holdwater.steps.result import StepResult
from holdwater.steps.step import WaitStep
from holdwater.steps.suspension import EngineRequest, RequestFn


def execute_wait(
    step: WaitStep, context: WorkflowContext, submit_request: RequestFn, now: Callable[[], Micros], dry_run: bool
) -> StepResult:
    """Wait.  `now`: returns the current instant, microseconds since the epoch."""
    if step.until is None:
        seconds = _duration_seconds(step, context)
        if seconds > 0 and not dry_run:
            submit_request(lambda: EngineRequest(wait_until=add_seconds(now(), seconds)))
        return StepResult.ok({"waited_seconds": seconds})
    if dry_run:
        return StepResult.ok({"waited_until": to_rfc3339(from_datetime(_until_instant(step, context)))})
    woken = submit_request(lambda: EngineRequest(wait_until=from_datetime(_until_instant(step, context)))).woken_at
    return StepResult.ok({"waited_until": to_rfc3339(woken or now())})


def _duration_seconds(step: WaitStep, context: WorkflowContext) -> float:
    if step.duration_seconds is not None:
        return step.duration_seconds
    assert step.duration_path is not None
    found: Any = context.params
    for part in step.duration_path.split("."):
        found = found.get(part) if hasattr(found, "get") else None
    if isinstance(found, dt.timedelta):
        found = found.total_seconds()
    what = f"wait step {step.name!r}: param {step.duration_path!r}"
    return validation.check_seconds(what, found, positive=False, error_class=ConfigurationFailure)


def _until_instant(step: WaitStep, context: WorkflowContext) -> dt.datetime:
    instant = step.until(context) if callable(step.until) else step.until
    if not isinstance(instant, dt.datetime):
        raise ConfigurationFailure(
            f"wait step {step.name!r}: until gave {instant!r}, which is no datetime", hint="return a datetime"
        )
    return instant if instant.tzinfo is not None else instant.astimezone()
