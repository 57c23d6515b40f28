"""Errors of the engine itself, and of code it was given, raised where no caller waits for them.

They are logged to `holdwater.runner`, and the latest are kept for `runner.internal_errors()`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from holdwater.errors import InternalError
from holdwater.model.error_report import describe_error, format_traceback
from holdwater.model.events import Failed
from holdwater.model.log_context import get_logger
from holdwater.model.ports.clock import Clock
from holdwater.model.time import Micros
from holdwater.runtime.attempt import Attempt

MAX_KEPT_ERRORS: Final = 100
TRACEBACK_LIMIT_CHARS: Final = 8_000
"""of a traceback as it is recorded; its end, where the error was raised, is what stays"""

logger: Final = get_logger("holdwater.runner")


@dataclass(frozen=True, slots=True)
class InternalErrorRecord:
    """One error: `where` it was raised, `at` which instant (microseconds since the epoch), `error` and `traceback`."""

    where: str
    at: Micros
    error: str
    traceback: str


class InternalErrors:
    """The latest errors of one runner.  `add` may be called from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._latest: deque[InternalErrorRecord] = deque(maxlen=MAX_KEPT_ERRORS)

    def add(self, where: str, error: BaseException) -> None:
        """Log and keep an error."""
        text = _format_traceback(error)
        self._latest.append(InternalErrorRecord(where, self._clock.now(), describe_error(error), text))
        logger.error("%s: %s\n%s", where, describe_error(error), text)

    @property
    def latest(self) -> tuple[InternalErrorRecord, ...]:
        """The oldest first."""
        return tuple(self._latest)


def log_attempt_failure(attempt: Attempt, failed: Failed) -> None:
    """Log how an attempt failed, and whether it is tried again; with the traceback if that was the last one."""
    is_last = failed.retry_at is None
    follows = "it is not tried again" if is_last else "it is tried again"
    where = f"\n{failed.traceback}" if is_last and failed.traceback else ""
    text = "%r of run %s failed at attempt %d, %s: %s%s"
    logger.warning(text, attempt.name, attempt.run_id, attempt.number, follows, failed.error, where)


def internal_error(prefix: str, error: BaseException) -> InternalError:
    """The error for callers who wait for what failed; `what` begins the sentence."""
    made = InternalError(
        f"{prefix} because of an internal error: {describe_error(error)}",
        hint="other runs are not affected; the cause and runner.internal_errors() have the traceback",
    )
    made.__cause__ = error
    return made


def describe_recorded(error: BaseException) -> str:
    """The error with its traceback, as the reason of a parked run."""
    return f"{describe_error(error)}\n{_format_traceback(error)}"


def _format_traceback(error: BaseException) -> str:
    return format_traceback(error, internal=True)[-TRACEBACK_LIMIT_CHARS:]
