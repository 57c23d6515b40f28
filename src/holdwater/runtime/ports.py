"""The driver as its services know it: one narrow protocol for each thing they need of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from holdwater.model.journal import JournalEntry
    from holdwater.model.ports import Clock
    from holdwater.runtime.active_run import ActiveRun
    from holdwater.runtime.attempt import Attempt
    from holdwater.runtime.executors.dispatch import Dispatcher


class Runs(Protocol):
    """The active runs of this process, and the decisions about them."""

    @property
    def clock(self) -> Clock: ...
    @property
    def dispatcher(self) -> Dispatcher: ...
    @property
    def active_runs(self) -> Mapping[str, ActiveRun]: ...
    def apply_entry(self, run: ActiveRun, entry: JournalEntry) -> bool: ...
    def finish_attempt(self, attempt: Attempt, entry: JournalEntry) -> None: ...
