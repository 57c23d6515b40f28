"""OpenTelemetry spans around workflows and steps, where it is installed; nothing otherwise."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any

from holdwater.model.error_report import describe


class StepTracer:
    """Makes spans `workflow:<name>` and within them `step:<name>`."""

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled

    @cached_property
    def _tracer(self) -> Any:
        """None: there is nobody to make spans."""
        if not self._enabled:
            return None
        try:
            from opentelemetry import trace
        except ModuleNotFoundError:
            return None
        return trace.get_tracer("holdwater")

    def span(self, name: str, **attributes: Any) -> AbstractContextManager[Any]:
        """A span as long as the block; its value, None if there is none."""
        if self._tracer is None:
            return nullcontext()
        found: AbstractContextManager[Any] = self._tracer.start_as_current_span(
            name, attributes=attributes, record_exception=False, set_status_on_exception=False
        )
        return found

    def record_exception(self, span: Any, error: BaseException) -> None:
        """Mark a span as one that an exception came out of, whatever the exception's own code does."""
        if span is not None:
            from holdwater.events.telemetry import exception_attributes

            span.add_event("exception", exception_attributes(error))
            self.mark_failed(span, describe(error))

    def mark_failed(self, span: Any, error: str) -> None:
        """Mark a span as that of a failure."""
        if span is not None:
            from opentelemetry.trace import Status, StatusCode

            span.set_status(Status(StatusCode.ERROR, error))
