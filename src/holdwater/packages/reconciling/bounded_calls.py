"""Calls in threads, each with a deadline: one that hangs holds up neither the others nor the end of the process."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_CLOSED: Final = ""


class BoundedCalls(Generic[T]):
    """Calls functions in at most `max_threads` threads; one caller at a time.

    A call that takes longer than `seconds` is given up: its thread goes on, and its result is dropped.  `label`: names
    a call in that error.
    """

    def __init__(self, seconds: float, max_threads: int, label: str = "it") -> None:
        self.seconds, self._max_threads, self.label = seconds, max_threads, label
        self._closed = threading.Event()
        self._results: queue.SimpleQueue[tuple[str, T | BaseException | None]] = queue.SimpleQueue()

    def run(self, calls: Mapping[str, Callable[[], T]]) -> Iterator[tuple[str, T | BaseException]]:
        """Call them all; yields the key of each with its result or error, as they come.

        A TimeoutError stands for one that was given up.  After `close` nothing more is yielded.
        """
        results: queue.SimpleQueue[tuple[str, T | BaseException | None]] = queue.SimpleQueue()
        self._results = results
        waiting = list(calls.items())
        deadlines: dict[str, float] = {}
        while (waiting or deadlines) and not self._closed.is_set():
            while waiting and len(deadlines) < self._max_threads:
                key, call = waiting.pop(0)
                deadlines[key] = time.monotonic() + self.seconds
                threading.Thread(
                    target=_call, args=(key, call, results), name=f"holdwater-register-{key}", daemon=True
                ).start()
            first = min(deadlines.values())
            try:
                key, result = results.get(timeout=max(0.0, first - time.monotonic()))
            except queue.Empty:
                late = [key for key, deadline in deadlines.items() if deadline <= time.monotonic()]
                for key in late:
                    del deadlines[key]
                    yield key, TimeoutError(f"{self.label} took longer than {self.seconds:g} s, and goes on meanwhile")
                continue
            if result is not None and deadlines.pop(key, None) is not None:
                yield key, result

    def close(self) -> None:
        """End a `run` that waits.  Idempotent."""
        self._closed.set()
        self._results.put((_CLOSED, None))


def _call(key: str, call: Callable[[], T], results: queue.SimpleQueue[tuple[str, T | BaseException | None]]) -> None:
    try:
        results.put((key, call()))
    except BaseException as error:  # noqa: BLE001 - the caller in the other thread gets it
        results.put((key, error))
