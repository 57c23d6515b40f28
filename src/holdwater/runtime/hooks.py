"""Hooks: the services that follow runs are called from here, so that the code which decides and writes knows none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, ParamSpec

from holdwater.model.records import WorkRow
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.attempt import Attempt

P = ParamSpec("P")


class Hook(Generic[P]):
    """Functions that are called one after the other, in the order they were added.  One that raises ends the call."""

    __slots__ = ("_callbacks",)

    def __init__(self) -> None:
        self._callbacks: list[Callable[P, None]] = []

    def add(self, callback: Callable[P, None]) -> None:
        self._callbacks.append(callback)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> None:
        for callback in self._callbacks:
            callback(*args, **kwargs)


class RunHooks:
    """Moments in the life of runs and attempts.  The driver adds its services; its thread alone calls them."""

    __slots__ = (
        "attempt_created",
        "attempt_detached",
        "attempt_ended",
        "attempt_started",
        "children_requested",
        "children_work_claimed",
        "deadline_set",
        "deferral_changed",
        "run_created",
        "run_ended",
        "run_saved",
        "run_settled",
        "status_saved",
        "tasks_to_cancel",
    )

    def __init__(self) -> None:
        self.deadline_set: Hook[[ActiveRun]] = Hook()
        """a run became active, or its deadline moved"""
        self.run_created: Hook[[ActiveRun]] = Hook()
        """a new run is to be written"""
        self.tasks_to_cancel: Hook[[ActiveRun]] = Hook()
        """a decision has filled `run.to_cancel`"""
        self.children_requested: Hook[[ActiveRun]] = Hook()
        """a decision has filled `run.awaiting_children`"""
        self.run_saved: Hook[[ActiveRun, int]] = Hook()
        """a change of the run is on disk, with so many new journal entries"""
        self.run_settled: Hook[[ActiveRun]] = Hook()
        """all decisions about the run are on disk, or were refused"""
        self.status_saved: Hook[[ActiveRun]] = Hook()
        """the run is on disk as ended or paused"""
        self.run_ended: Hook[[ActiveRun]] = Hook()
        """the run is on disk as ended, and not active any more"""
        self.children_work_claimed: Hook[[ActiveRun, int]] = Hook()
        """the work row of a node with children is this runner's, on disk"""
        self.attempt_created: Hook[[Attempt, WorkRow]] = Hook()
        """an attempt is about to be handed to its executor"""
        self.attempt_started: Hook[[ActiveRun, Attempt]] = Hook()
        """an attempt was handed to its executor"""
        self.attempt_detached: Hook[[ActiveRun, Attempt]] = Hook()
        """an attempt is no longer one of its run's"""
        self.attempt_ended: Hook[[Attempt]] = Hook()
        """an attempt has ended with an event, which is decided and not yet on disk"""
        self.deferral_changed: Hook[[Attempt, bool]] = Hook()
        """a task function has begun or ceased to wait in `defer_until` or for a child run"""
