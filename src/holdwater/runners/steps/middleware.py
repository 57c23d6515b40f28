"""Middleware: functions around every attempt of every step.  The first registered one is the outermost."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Sequence
from typing import Any

from holdwater.errors import StepReturnError
from holdwater.steps.result import StepResult

NextFn = Callable[[Any, Any], StepResult]
"""(step, context) -> result"""
Middleware = Callable[[Any, Any, NextFn], StepResult]


def chain_middleware(middleware: Sequence[Middleware], innermost: NextFn) -> NextFn:
    """Compose middleware around `innermost`.  The composition raises StepReturnError if one returns no StepResult."""
    call = innermost
    for function in reversed(middleware):
        call = _wrap(function, call)
    return call


def _wrap(function: Middleware, inner: NextFn) -> NextFn:
    def call(step: Any, context: Any) -> StepResult:
        result = function(step, context, CallOnce(inner))
        if not isinstance(result, StepResult):
            name = getattr(function, "__name__", type(function).__name__)
            raise StepReturnError(
                f"middleware {name!r} returned {result!r:.100} for step {step.name!r}",
                hint="return what next_fn(step, context) gave, or a StepResult",
            )
        return result

    return call


class CallOnce:
    """The `next_fn` of a middleware: the inner call, made once; later calls return the same result.

    It may be called from another thread; the context variables are those of the middleware's call.
    """

    def __init__(self, call: NextFn) -> None:
        self._call = call
        self._thread = threading.get_ident()
        self._caller_context = contextvars.copy_context()
        self._lock = threading.Lock()
        self._result: StepResult | None = None
        self._error: BaseException | None = None

    def __call__(self, step: Any, context: Any) -> StepResult:
        with self._lock:  # a second caller waits for the result of the first
            if self._result is None and self._error is None:
                try:
                    self._result = self._execute(step, context)
                except BaseException as error:  # noqa: BLE001 - raised right below, and to every later caller
                    self._error = error
            if self._error is not None:
                raise self._error
            assert self._result is not None
            return self._result

    def _execute(self, step: Any, context: Any) -> StepResult:
        if threading.get_ident() == self._thread:
            return self._call(step, context)
        return self._caller_context.run(self._call, step, context)
