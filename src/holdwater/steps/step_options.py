"""Options that all kinds of steps take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypedDict

from holdwater.model.policies import RetryPolicy
from holdwater.steps.base_step import ErrorPolicy
from holdwater.steps.context import WorkflowContext

Handler = Callable[[WorkflowContext, dict[str, Any]], Any]
Condition = Callable[[WorkflowContext], Any]


class StepOptions(TypedDict, total=False):
    """What every kind of step takes besides."""

    timeout: float | None
    description: str
    checkpoint: bool


class KeywordOptions(StepOptions, total=False):
    """What the kinds of steps take by keyword alone."""

    config: Mapping[str, Any] | None
    on_error: ErrorPolicy | str
    retry: RetryPolicy | None


def to_step_fields(options: KeywordOptions) -> dict[str, Any]:
    """Fields of a step by name."""
    given: dict[str, Any] = dict(options)
    if "retry" in given:
        given["retry_policy"] = given.pop("retry")
    return given
