"""Waiting for the next journal entry of a run, wherever it is executed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable
from typing import Final

from holdwater.model.records import ALL_RUNS, Notification
from holdwater.runtime.future import Future

FOLLOWED_SECONDS: Final = 30.0
"""time for which commits of a run are told after another process has said that it follows the run"""
TELL_INTERVAL_SECONDS: Final = 0.25
"""between notifications of the same run to processes that follow all runs"""
MAX_REMEMBERED_RUNS: Final = 10_000

ChangeListener = Callable[["Collection[str] | None", bool], None]
"""called with the runs that may have changed (None: any of them) and with True if schedules have, from any thread"""


class JournalWatchers:
    """The waits of this process, and the runs that other processes follow.  Thread-safe.

    It tells of changes of releases, too, which come by the same notifications.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, list[Future[None]]] = {}
        self._followed_until: dict[str, float] = {}
        """run -> until when other processes want to be told of it, by the monotonic clock"""
        self._told_at: dict[str, float] = {}
        """run -> when those that follow all runs were told of it last, by the monotonic clock"""
        self._listeners: tuple[ChangeListener, ...] = ()
        self._release_listeners: tuple[Callable[[], None], ...] = ()
        self._closed_by: BaseException | None = None

    def add_listener(self, listener: ChangeListener) -> Callable[[], None]:
        """Call `listener` with every change from now on; returns a function that ends that."""
        with self._lock:
            self._listeners = (*self._listeners, listener)
        return lambda: self._remove_listener(listener)

    def _remove_listener(self, listener: ChangeListener) -> None:
        with self._lock:
            self._listeners = tuple([one for one in self._listeners if one is not listener])

    def add_release_listener(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` when releases were changed by a request, or elsewhere; returns a function that ends that."""
        with self._lock:
            self._release_listeners = (*self._release_listeners, listener)

        def remove() -> None:
            with self._lock:
                self._release_listeners = tuple([one for one in self._release_listeners if one is not listener])

        return remove

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
        for listener in self._listeners:
            listener((run_id,), False)

    def is_followed_elsewhere(self, run_id: str) -> bool:
        """True if another process wants to be told of the run's commit."""
        if not self._followed_until:
            return False
        now = time.monotonic()
        with self._lock:
            if self._is_followed(run_id, now):
                return True
            if not self._is_followed(ALL_RUNS, now) or now - self._told_at.get(run_id, -1.0) < TELL_INTERVAL_SECONDS:
                return False
            if len(self._told_at) >= MAX_REMEMBERED_RUNS:
                self._told_at.clear()
            self._told_at[run_id] = now
        return True

    def _is_followed(self, followed: str, now: float) -> bool:
        until = self._followed_until.get(followed)
        if until is not None and until < now:
            del self._followed_until[followed]
            return False
        return until is not None

    def on_notification(self, notification: Notification) -> None:
        """Take in a message of another process."""
        if notification.followed_runs:
            now = time.monotonic()
            with self._lock:
                living = {run_id: until for run_id, until in self._followed_until.items() if until >= now}
                self._followed_until = living | dict.fromkeys(notification.followed_runs, now + FOLLOWED_SECONDS)
        is_any = notification.changed_runs is None or ALL_RUNS in notification.progressed_runs
        changed = None if is_any else (notification.changed_runs or frozenset()) | notification.progressed_runs
        if self._waiting:
            self._wake(changed)
        if changed or changed is None or notification.schedules_changed:
            for listener in self._listeners:
                listener(changed, notification.schedules_changed)
        if notification.releases_changed:
            self.on_releases_changed()

    def on_releases_changed(self) -> None:
        """Releases were changed by a request to this process, or in another one."""
        for listener in self._release_listeners:
            listener()

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
