"""Time that stands still until a test says otherwise."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from holdwater import DefaultRunner
from holdwater.model.time import ClockSample, Micros, MonotonicMicros, from_datetime
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS


def instant_us(text: str) -> Micros:
    """The instant of a time in UTC."""
    return from_datetime(datetime.fromisoformat(text).replace(tzinfo=UTC))


class FakeClock:
    """Shared by all runners of a test; waits end only when it is set."""

    def __init__(self, start: str) -> None:
        self._now = instant_us(start)
        self._on_jump_callbacks: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def now(self) -> Micros:
        return self._now

    def earliest_now(self) -> Micros:
        return self._now

    def seconds_until(self, instant: Micros) -> float | None:
        return 0.0 if instant <= self._now else None

    def monotonic(self) -> MonotonicMicros:
        return MonotonicMicros(self._now)

    def adjust(self, sample: ClockSample | None) -> int:
        return 0

    def on_jump(self, callback: Callable[[], None]) -> None:
        with self._lock:
            self._on_jump_callbacks.append(callback)

    def set(self, instant: str | int) -> None:
        """Jump there."""
        self._now = instant_us(instant) if isinstance(instant, str) else Micros(instant)
        for wake in list(self._on_jump_callbacks):
            wake()

    def advance(self, seconds: float) -> None:
        self.set(self._now + round(seconds * 1e6))


class ContextRecorder:
    """What the body of a workflow saw, one context per run."""

    def __init__(self) -> None:
        self.contexts: list[dict[str, Any]] = []
        self._run_count = threading.Semaphore(0)

    def __call__(self, context: Any) -> None:
        self.contexts.append(context.to_dict())
        self._run_count.release()

    def wait_for_runs(self, count: int) -> None:
        for _ in range(count):
            assert self._run_count.acquire(timeout=SIGNAL_TIMEOUT_SECONDS), f"only {self.times} ran"

    @property
    def times(self) -> list[str]:
        return sorted([c["scheduled_time"][:19] for c in self.contexts])


def wait_until_idle(runner: DefaultRunner) -> None:
    """Returns when a runner has looked at everything that is due."""
    for _ in range(3):  # an act that was posted before a look is done before it, too
        done = threading.Event()
        runner._engine.driver.loop.call_soon_strict(done.set)
        assert done.wait(SIGNAL_TIMEOUT_SECONDS)
