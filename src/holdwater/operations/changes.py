"""Changes of a database as they happen, whichever process writes it, for views that are kept up to date."""

from __future__ import annotations

from collections.abc import Callable, Collection

from holdwater.engine import Engine
from holdwater.events.run_events import EventPosition
from holdwater.model.ports.store import Store
from holdwater.model.records import ALL_RUNS
from holdwater.operations.databases import Database
from holdwater.operations.runners import list_runners
from holdwater.runs.event_reader import RunEventReader
from holdwater.runs.follow import check_position
from holdwater.runs.log_follower import LogFollower, StoreLogFollower
from holdwater.runtime.journal_watchers import ChangeListener, JournalWatchers

__all__ = ["ChangeListener", "DatabaseChanges"]


class DatabaseChanges:
    """Hints of changes: they may come late, twice or not at all, and after a gap they say so.  Thread-safe.

    `has_notifications`: False where the store has no channel; changes of other processes must be looked for there.
    """

    def __init__(self, database: Database, watchers: JournalWatchers, *, has_notifications: bool) -> None:
        self._database, self._watchers, self.has_notifications = database, watchers, has_notifications

    @classmethod
    def of_engine(cls, engine: Engine) -> DatabaseChanges:
        """Use the channel of an engine: its own commits are told at once."""
        return cls.listen_to(Database.of(engine))

    @classmethod
    def listen_to(cls, database: Database) -> DatabaseChanges:
        """Use the channel of an open database.  Raises StoreUnavailable."""
        channel = database.runs.listen()
        return cls(database, channel.watchers, has_notifications=channel.has_notifications)

    @property
    def store(self) -> Store:
        """The store whose changes these are."""
        return self._database.store

    def subscribe(self, listener: ChangeListener) -> Callable[[], None]:
        """Call `listener` with changes, from any thread; returns a function that ends that."""
        return self._watchers.add_listener(listener)

    def follow(self, run_ids: Collection[str], *, all_runs: bool = False) -> None:
        """Have the other processes tell of these runs' commits for 30 s; `all_runs`: of all, a few times a second.

        Raises StoreUnavailable.
        """
        wanted = [*run_ids, *([ALL_RUNS] if all_runs else [])]
        if wanted:
            self._database.store.follow_runs(wanted)

    def runner_states(self) -> dict[str, str]:
        """Return the statuses of the runners of the database, by incarnation.  Raises StoreUnavailable."""
        return {runner.owner: runner.status for runner in list_runners(self._database)}

    def read_events(self, run_id: str, after: int | EventPosition = 0) -> RunEventReader:
        """Read the events of a run on and on.  Raises RunNotFound, InvalidArgument, StoreError, StoreUnavailable."""
        return RunEventReader(self._database.store, run_id, check_position(after))

    def follow_log(self, run_id: str, after: str | None = None) -> LogFollower:
        """Follow the log of a run.  Raises RunNotFound, InvalidArgument, StoreError, StoreUnavailable."""
        return StoreLogFollower(
            self._database.runs, self._watchers, run_id, after=after, has_notifications=self.has_notifications
        )
