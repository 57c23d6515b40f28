"""Waiting for the next journal entry of a run, wherever it is executed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Final

from holdwater.model.records import Notification
from holdwater.runtime.future import Future

FOLLOWED_SECONDS: Final = 30.0
"""time for which commits of a run are told after another process has said that it follows the run"""


class JournalWatchers:
    """The waits of this process, and the runs that other processes follow.  Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, list[Future[None]]] = {}
        self._followed_until: dict[str, float] = {}
        """run -> until when other processes want to be told of it, by the monotonic clock"""
        self._closed_by: BaseException | None = None

    def next_change(self, run_id: str) -> Future[None]:
        """Set when the run may have new journal entries.  Raises RunnerClosed after `close`."""
        change: Future[None] = Future()
        with self._lock:
            if self._closed_by is not None:
                raise self._closed_by
            self._waiting.setdefault(run_id, []).append(change)
        return change

    def discard(self, run_id: str, change: Future[None]) -> None:
        """Wait for it no more."""
        with self._lock:
            waiting = self._waiting.get(run_id, [])
            if change in waiting:
                waiting.remove(change)
            if not waiting:
                self._waiting.pop(run_id, None)

    # -- what a driver tells

    def on_committed(self, run_id: str) -> None:
        """A commit of this process is on disk."""
        if self._waiting:
            self._wake((run_id,))

    def is_followed_elsewhere(self, run_id: str) -> bool:
        """True if another process wants to be told of the run's commits."""
        if not self._followed_until:
            return False
        with self._lock:
            until = self._followed_until.get(run_id)
            if until is None:
                return False
            if until < time.monotonic():
                del self._followed_until[run_id]
                return False
        return True

    def on_notification(self, notification: Notification) -> None:
        """Take in a message of another process."""
        if notification.followed_runs:
            now = time.monotonic()
            with self._lock:
                living = {run_id: until for run_id, until in self._followed_until.items() if until >= now}
                self._followed_until = living | dict.fromkeys(notification.followed_runs, now + FOLLOWED_SECONDS)
        if self._waiting:
            self._wake(
                None if notification.changed_runs is None else notification.changed_runs | notification.progressed_runs
            )

    def close(self, error: BaseException) -> None:
        """Tell nothing any more: every wait, now or later, ends with this error."""
        with self._lock:
            self._closed_by = error
            waiting, self._waiting = self._waiting, {}
        for changes in waiting.values():
            for change in changes:
                change.set_exception(error)

    def _wake(self, run_ids: Iterable[str] | None) -> None:
        """`run_ids` None: any run may have changed."""
        with self._lock:
            changed = [*self._waiting] if run_ids is None else run_ids
            changes = [change for run_id in changed for change in self._waiting.pop(run_id, ())]
        for change in changes:
            change.set_result(None)
