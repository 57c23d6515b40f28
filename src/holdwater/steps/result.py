"""Results of steps."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from holdwater.errors import StepReturnError
from holdwater.model.error_report import describe_error, is_a, sanitize_text
from holdwater.steps.error_categories import category_name, classify_error
from holdwater.steps.quality import QualityMetrics


@dataclass(slots=True)
class StepResult:
    """The result of a step, created by `ok`, `fail` or `skip`.

    Of a successful step, `output` is stored under its name, `context_updates` are merged into the params, and `quality`
    is recorded.  `events` are recorded with the run.  `next_step`: jump forwards.  `checkpoint`: True requests a
    checkpoint after this step.  `cause`: the exception of a failure.
    """

    success: bool
    output: dict[str, Any] = field(default_factory=dict)
    context_updates: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    error_category: str | None = None
    quality: QualityMetrics | None = None
    events: list[dict[str, Any]] = field(default_factory=list)
    next_step: str | None = None
    checkpoint: bool = False
    cause: BaseException | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.success and not self.error:
            self.error = "Step failed without error message"
        if self.error_category is not None:
            self.error_category = category_name(self.error_category)

    @classmethod
    def ok(
        cls,
        output: Mapping[str, Any] | None = None,
        context_updates: Mapping[str, Any] | None = None,
        quality: QualityMetrics | None = None,
        events: Iterable[dict[str, Any]] | None = None,
        next_step: str | None = None,
        checkpoint: bool = False,
    ) -> StepResult:
        """Create the result of a successful step."""
        return cls(
            True,
            _check_mapping("output", output),
            _check_mapping("context_updates", context_updates),
            quality=quality,
            events=list(events or ()),
            next_step=next_step,
            checkpoint=checkpoint,
        )

    @classmethod
    def fail(
        cls,
        error: str | BaseException,
        category: str | None = None,
        output: Mapping[str, Any] | None = None,
        quality: QualityMetrics | None = None,
        events: Iterable[dict[str, Any]] | None = None,
    ) -> StepResult:
        """Create the result of a failed step.  Of an exception type, message and, by default, category are used."""
        cause = error if is_a(error, BaseException) else None
        if category is None:
            category = "INTERNAL" if cause is None else classify_error(cause)
        return cls(
            False,
            _check_mapping("output", output),
            error=sanitize_text(str(error)) if cause is None else describe_error(cause),
            error_category=category,
            quality=quality,
            events=list(events or ()),
            cause=cause,
        )

    @classmethod
    def skip(cls, reason: str, output: Mapping[str, Any] | None = None) -> StepResult:
        """Create the result of a step that skipped itself: a success, recorded as skipped with this reason."""
        return cls(True, {**(output or {}), "skipped": True, "skip_reason": reason})

    @property
    def skip_reason(self) -> str | None:
        """Reason of a step that skipped itself; None if it did not."""
        return str(self.output.get("skip_reason", "")) if self.success and self.output.get("skipped") is True else None

    def to_dict(self) -> dict[str, Any]:
        """Return `success` and the other fields that are set."""
        data: dict[str, Any] = {"success": self.success}
        for name in ("output", "context_updates", "error", "error_category", "events", "next_step", "checkpoint"):
            if value := getattr(self, name):
                data[name] = value
        if self.quality is not None:
            data["quality"] = self.quality.to_dict()
        return data


def _check_mapping(role: str, value: Any) -> dict[str, Any]:
    if value is not None and not isinstance(value, Mapping):
        raise StepReturnError(
            f"the {role} of a StepResult is a dict, not {type(value).__name__}", hint=f'{role}={{"value": ...}}'
        )
    return dict(value or {})


def to_step_result(returned: Any, source: str) -> StepResult:
    """Convert a return value: a StepResult, a dict (the output) or None.  Raises StepReturnError, naming `source`."""
    if isinstance(returned, StepResult):
        return returned
    if returned is None:
        return StepResult.ok()
    if isinstance(returned, Mapping):
        return StepResult.ok(returned)
    if inspect.iscoroutine(returned):
        returned.close()  # it is never awaited
    kind = f"{type(returned).__module__}.{type(returned).__qualname__}".removeprefix("builtins.")
    raise StepReturnError(
        f"{source} returned {kind}",
        hint="return StepResult.ok(...) or StepResult.fail(...), a dict (the output) or None",
    )
