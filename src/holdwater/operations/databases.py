"""Opening a database for one operation: to read it, or to control its runs without executing them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from holdwater.engine import Engine
from holdwater.errors import DatabaseNotFound, DatabaseURLError
from holdwater.model.ports.clock import Clock
from holdwater.model.ports.store import Store
from holdwater.model.registry import Registry
from holdwater.runs.reader import RunReader
from holdwater.runtime.clock import SystemClock, synchronise
from holdwater.runtime.config import DriverConfig
from holdwater.storage import StoreOptions, open_store
from holdwater.storage.sqlite.connections import path_exists
from holdwater.storage.urls import parse_url


def _do_nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Database:
    """An open store, its clock, and the reader of its runs.

    `on_schedules_changed`: called when a schedule was written through it, `on_releases_changed`: a release.  The store
    tells other processes.
    """

    store: Store
    clock: Clock
    runs: RunReader
    on_schedules_changed: Callable[[], None] = _do_nothing
    on_releases_changed: Callable[[], None] = _do_nothing

    @classmethod
    def of(cls, engine: Engine) -> Database:
        """Return the database an engine works on, which hears of what is written through it."""
        driver = engine.driver
        return cls(
            engine.store,
            engine.clock,
            engine.reader,
            driver.check_for_work,
            driver.journal_watchers.on_releases_changed,
        )


@contextmanager
def open_for_reading(url: str, schema: str | None = None) -> Iterator[Database]:
    """Open an existing database read-only: no table is created, and its schema is not migrated.

    A database of an earlier version is read as it is.  `schema`: that of a tenant, in PostgreSQL.

    Raises DatabaseNotFound, DatabaseURLError, StoreUnavailable, SchemaTooNew.
    """
    check_exists(url)
    # no state in sessions: a proxy may give them to other clients
    with _opened(open_store(url, StoreOptions(read_only=True, prepare_statements=False, schema=schema))) as database:
        yield database


@contextmanager
def open_for_writing(url: str, *, create: bool = False) -> Iterator[Database]:
    """Open a database for changes, without an engine.  `create`: create it if there is none.

    Raises DatabaseNotFound, DatabaseURLError, StoreUnavailable, SchemaTooNew.
    """
    if not create:
        _check_has_runs(url)
    with _opened(open_store(url)) as database:
        yield database


@contextmanager
def open_for_control(url: str, schema: str | None = None) -> Iterator[Engine]:
    """Open an engine on an existing database; it executes, claims and recovers nothing.

    `schema`: that of a tenant, in PostgreSQL.

    Raises DatabaseNotFound, DatabaseURLError, StoreUnavailable, SchemaTooNew.
    """
    engine = open_control_engine(url, schema)
    try:
        yield engine
    finally:
        engine.close(0.0)


def open_control_engine(url: str, schema: str | None = None) -> Engine:
    """Open an engine on an existing database, for the caller to close; it executes, claims and recovers nothing.

    Raises DatabaseNotFound, DatabaseURLError, StoreUnavailable, SchemaTooNew.
    """
    _check_has_runs(url, schema)
    return Engine(url, DriverConfig(recover=False), registry=Registry(), options=StoreOptions(schema=schema))


def check_exists(url: str) -> None:
    """Check that a database file exists; servers are not contacted.

    Raises DatabaseNotFound for a missing file, DatabaseURLError for a database in memory.
    """
    where = parse_url(url)
    if where.dialect == "postgresql":
        return
    if where.path is None:
        raise DatabaseURLError(
            f"{url}: a database in memory is gone with the process that made it",
            hint="name a file: sqlite:///app.db",
        )
    if not path_exists(where):
        raise DatabaseNotFound(
            f"there is no database {where.path}",
            hint="give its URL with --database or HOLDWATER_DATABASE; a run of a workflow makes one",
        )


def _check_has_runs(url: str, schema: str | None = None) -> None:
    """Refuse a database without tables of runs, before any are made.  Raises DatabaseURLError, StoreUnavailable."""
    with open_for_reading(url, schema):
        pass


@contextmanager
def _opened(store: Store) -> Iterator[Database]:
    try:
        clock = SystemClock()
        synchronise(clock, store)
        yield Database(store, clock, RunReader(store, clock))
    finally:
        store.close()
