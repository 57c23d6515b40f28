"""The driver as its services know it: one narrow protocol for each thing they need of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from holdwater.model.events import Event
from holdwater.model.journal import JournalEntry
from holdwater.model.ports.definition import WorkflowDefinition
from holdwater.model.records import RunRow, RunUpdate, WorkRow
from holdwater.model.time import Micros
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.attempt import Attempt, AttemptObserver
from holdwater.runtime.future import Future
from holdwater.runtime.run_table import Accepted


class RunObserver(AttemptObserver, Protocol):
    """A listener to the runs a driver executes."""

    def on_committed(self, run: ActiveRun, new_entries: int) -> None:
        """Take note of new journal entries that are on disk; in the driver's thread, before their work begins."""


class Inbox(Protocol):
    """The loop's, for other threads, and for callbacks that must not be called at once."""

    def call_soon(self, callback: Callable[[], None]) -> None: ...


class Decider(Protocol):
    """Decisions about active runs; they are on disk after the turn of the loop."""

    def apply_entry(self, run: ActiveRun, entry: JournalEntry) -> bool: ...
    def add_new_run(self, run: ActiveRun, acceptance: Future[Accepted]) -> None: ...
    def park_run(self, run: ActiveRun, reason: str) -> None: ...
    def report_internal_error(self, run: ActiveRun, error: BaseException) -> None: ...


class WorkStarter(Protocol):
    """Starts work that is this runner's on disk."""

    def start(self, run: ActiveRun, row: WorkRow) -> None: ...


class AttemptFinisher(Protocol):
    """Ends attempts that do not end by themselves."""

    def finish_attempt(self, attempt: Attempt, entry: JournalEntry) -> None: ...


class LeasedWork(WorkStarter, Protocol):
    """Work that may be lost with its lease."""

    def abandon(self, run: ActiveRun, attempt: Attempt) -> None: ...


class StoredRuns(Protocol):
    """Runs that other runners wrote."""

    def adopt(self, run_id: str) -> ActiveRun | None: ...
    def find_run(self, run_id: str, takes: Callable[[ActiveRun], bool]) -> ActiveRun: ...
    def reload(self, run: ActiveRun) -> None: ...


class CommittedRuns(Protocol):
    """Takes in runs that a service has written by a transaction of its own."""

    def add_committed_run(self, run: ActiveRun, update: RunUpdate) -> None: ...


class ChildControl(Protocol):
    """Control of child runs for their parents."""

    def apply(self, run_id: str, event: Event, future: Future[bool], *, retry: bool = False) -> None: ...
    def cancel_child(self, run_id: str, reason: str = ...) -> None: ...


MakeRunRow = Callable[[str, WorkflowDefinition, Micros], RunRow]
"""workflow, its definition and an instant -> the row of a run created then"""
