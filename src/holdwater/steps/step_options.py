"""Options common to all kinds of steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypedDict

from holdwater.model.policies import RetryPolicy
from holdwater.steps.base_step import ErrorPolicy
from holdwater.steps.context import WorkflowContext

Handler = Callable[[WorkflowContext, dict[str, Any]], Any]
Condition = Callable[[WorkflowContext], Any]


class StepOptions(TypedDict, total=False):
    """Options of every kind of step."""

    timeout: float | None
    limit: str | None
    description: str
    checkpoint: bool


class KeywordOptions(StepOptions, total=False):
    """Options that are passed by keyword only."""

    config: Mapping[str, Any] | None
    on_error: ErrorPolicy | str
    retry: RetryPolicy | None


def to_step_fields(options: KeywordOptions) -> dict[str, Any]:
    """Convert options to fields of a step."""
    given: dict[str, Any] = dict(options)
    if "retry" in given:
        given["retry_policy"] = given.pop("retry")
    return given
