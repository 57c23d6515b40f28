"""The SQLite store."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

from holdwater.errors import DatabaseURLError, HoldwaterError, RunnerClosed, StoreReadOnly
from holdwater.model.ports.store import LeaseRenewal
from holdwater.model.records import CommitResult, Notification, RunUpdate, WorkRow
from holdwater.model.time import MONOTONIC_UNSET, ClockSample, Micros, MonotonicMicros
from holdwater.storage import process_forks
from holdwater.storage.notifications import WORK_AVAILABLE, notification_for_updates
from holdwater.storage.pool import ConnectionPool
from holdwater.storage.sql import rows, text_escaping
from holdwater.storage.sql.fragments import Fragment
from holdwater.storage.sql.pruning import PruneQueries, prunable
from holdwater.storage.sql.questions import QuestionQueries
from holdwater.storage.sql.run_lists import RunLists
from holdwater.storage.sqlite import commits as batches
from holdwater.storage.sqlite import connections, schema, writer
from holdwater.storage.sqlite import statements as sql
from holdwater.storage.sqlite.bulk_jobs import SQLiteBulkJobs
from holdwater.storage.sqlite.catalog import SQLiteCatalog
from holdwater.storage.sqlite.drawings import SQLiteDrawings
from holdwater.storage.sqlite.errors import translate_error
from holdwater.storage.sqlite.file_identity import FileIdentity
from holdwater.storage.sqlite.inspection import SQLiteInspection
from holdwater.storage.sqlite.limits import SQLiteLimits, select_tasks
from holdwater.storage.sqlite.liveness import InProcessOwners, LockFileOwners, OwnerLiveness
from holdwater.storage.sqlite.logs import SQLiteLogs
from holdwater.storage.sqlite.map_items import SQLiteMapItems
from holdwater.storage.sqlite.notify_pipe import NotifyPipes
from holdwater.storage.sqlite.releases import SQLiteReleases
from holdwater.storage.sqlite.schedules import SQLiteSchedules
from holdwater.storage.sqlite.secrets import SQLiteSecrets
from holdwater.storage.urls import DatabaseURL

_MAX_READERS: Final = 64
_MAX_IDLE_READERS: Final = 4


class SQLiteStore(
    SQLiteCatalog,
    SQLiteSchedules,
    SQLiteLogs,
    SQLiteDrawings,
    SQLiteMapItems,
    SQLiteBulkJobs,
    SQLiteInspection,
    SQLiteSecrets,
    SQLiteReleases,
    SQLiteLimits,
    QuestionQueries,
    PruneQueries,
    RunLists,
):
    """Runs in a SQLite database.  Thread-safe; a forked child has to open its own."""

    tracks_liveness = True
    _sql = sql

    def __init__(self, database_url: DatabaseURL) -> None:
        """Open and migrate.  Raises DatabaseURLError, StoreReadOnly, StoreUnavailable, SchemaTooNew."""
        self.url = database_url.text
        self._database_url = database_url
        self._closed_reason = ""
        self._owners: Final[OwnerLiveness] = (
            InProcessOwners() if database_url.path is None else LockFileOwners(database_url.path)
        )
        # in WAL mode readers never wait for the writer, nor the writer for readers
        self._readers: Final = ConnectionPool(
            lambda: _connect_reader(database_url),
            name=connections.display_name(database_url),
            max_size=_MAX_READERS,
            max_idle=_MAX_IDLE_READERS,
            on_fork_timeout=lambda: connections.mark_unsafe_after_fork(database_url),
        )
        self._notify_pipes: Final = None if database_url.path is None else NotifyPipes(database_url.path)
        connections.check_database_path(database_url)
        with process_forks.lifecycle_lock:
            self._writer: Final = None if database_url.mode == "ro" else writer.acquire_writer(database_url)
        self._identity: Final = FileIdentity(database_url.path) if self._writer is None else self._writer.identity
        if self._writer is None:
            try:
                self._check_has_tables()
                self._identity.remember()
            except BaseException:
                self._readers.close()
                raise
        process_forks.register_fork_aware(self)

    @property
    def connections_in_use(self) -> int:
        """The number of connections that calls read with now."""
        return self._readers.in_use

    def close(self) -> None:
        """Release every connection, lock and file.  Calling it again does nothing."""
        if self._closed_reason:
            return
        self._closed_reason = "this store was closed"
        self._owners.close()
        if self._notify_pipes is not None:
            self._notify_pipes.close()
        self._readers.close()
        if self._writer is not None:
            with process_forks.lifecycle_lock:
                writer.release_writer(self._writer)

    # -- forks

    def before_fork(self) -> None:
        """Do nothing: pool and writer close their connections before a fork."""

    def after_fork_in_parent(self) -> None:
        """Do nothing: pool and writer open connections on demand."""

    def after_fork_in_child(self) -> None:
        """Refuse every call in a forked child, and close the parent's lock files there."""
        if not self._closed_reason:
            self._closed_reason = "this store was opened before the process forked"
            self._owners.after_fork_in_child()
            if self._notify_pipes is not None:
                self._notify_pipes.after_fork_in_child()

    def listen(self, callback: Callable[[Notification], None]) -> bool:
        """Call `tell` with the notifications of other stores on the file.  False in memory, and on Windows."""
        return self._notify_pipes is not None and self._notify_pipes.subscribe(callback)

    def follow_runs(self, run_ids: Collection[str]) -> None:
        """Have the other runners of the file tell of new journal entries of these runs, for a while."""
        self._notify(Notification(work_available=False, changed_runs=frozenset(), followed_runs=frozenset(run_ids)))

    def sample_clock(self) -> ClockSample | None:
        return None

    # -- owners

    def register_owner(self, owner: str) -> None:
        """Register an owner; it is alive until it unregisters, this store is closed or the process ends."""
        self._require_writable()
        self._owners.register(owner)

    def unregister_owner(self, owner: str) -> None:
        self._check_open()
        self._owners.unregister(owner)

    def is_alive(self, owner: str) -> bool | None:
        """Return True if the owner is registered by a living process."""
        return self._owners.liveness(owner) != "dead"

    def reclaim_expired(self, now: Micros, monotonic_now: MonotonicMicros = MONOTONIC_UNSET, lease_us: int = 0) -> int:
        """Take the work of dead owners, and the expired work of stopped owners of other stores.

        Returns the number of rows.  Owners registered through this store keep their work.  So does an owner whose
        process runs, even if its leases have expired: its lock proves that it is alive.
        """
        dead: list[tuple[str]] = []
        stopped: list[tuple[str, Micros]] = []
        for (owner,) in self._select(sql.LIST_OWNERS):
            match self._owners.liveness(owner):
                case "dead":
                    dead.append((owner,))
                case "alive":
                    if self._select(sql.HAS_EXPIRED_LEASE, (owner, now)) and self._owners.is_stopped(owner):
                        stopped.append((owner, now))
                case "ours":
                    pass
        if not dead and not stopped:
            return 0
        with self._transaction() as connection:
            taken = connection.executemany(sql.RECLAIM_WORK, dead).rowcount
            late = connection.executemany(sql.RECLAIM_EXPIRED_WORK, stopped).rowcount
            orphaned = max(taken, 0) + max(late, 0)
        if orphaned:
            self._notify(WORK_AVAILABLE)
        return orphaned

    def renew_leases(self, owner: str, lease_until: Micros) -> None:
        """Extend the leases of all work of the owner."""
        if self._select(sql.HAS_WORK_OF_OWNER, (owner,)):
            with self._transaction() as connection:
                connection.execute(sql.RENEW_LEASES, (lease_until, owner))

    def lease_renewal(self, owner: str, lease_us: int) -> LeaseRenewal | None:
        """Return None: leases need no renewal while their owner is alive."""
        return None

    # -- runs

    def commit(self, updates: Sequence[RunUpdate]) -> list[CommitResult]:
        """Commit all changes in one transaction, each with its own verdict; at most one change per run.

        Raises StoreUnavailable or StoreError; then no change was written.
        """
        if not updates:
            self._require_writable()
            return []
        try:
            with self._transaction() as connection:
                verdicts = batches.commit_updates(connection, updates)
        except UnicodeEncodeError:
            with self._transaction() as connection:
                verdicts = batches.commit_updates(
                    connection, [text_escaping.escape_update(change) for change in updates]
                )
        self._notify(notification_for_updates(updates))
        return verdicts

    def claim_work(
        self,
        owner: str,
        lease_until: Micros,
        due_before: Micros,
        limit: int,
        workflows: Collection[str],
        within_run_id: str | None = None,
        *,
        excluded_nodes: Collection[tuple[str, int]] = (),
        include_tasks: bool = True,
    ) -> list[WorkRow]:
        """Take unowned, unparked work of these workflows, the oldest due first.

        Task functions are always taken, other work if it is due before `due_before`.

        Returns the rows as they were before the claim.
        """
        names = json.dumps(list(workflows))
        timers = (due_before, names, within_run_id)
        tasks = (names, within_run_id, json.dumps(list(excluded_nodes)))
        if limit < 1 or not (
            self._select(sql.HAS_CLAIMABLE_TIMERS, timers)
            or (include_tasks and self._select(sql.HAS_CLAIMABLE_TASKS, tasks))
        ):
            return []
        with self._transaction() as connection:
            take = sql.LIST_CLAIMABLE_TIMERS
            found = connection.execute(take, sql.bind(take, (*timers, limit))).fetchall()
            claimed = [rows.parse_work_row(row) for row in found]
            if include_tasks:
                claimed += select_tasks(connection, tasks, limit)
            connection.executemany(
                sql.CLAIM_WORK, [(owner, lease_until, row.run_id, row.node, row.fence) for row in claimed]
            )
        return sorted(claimed, key=rows.claim_sort_key)

    def release_work(self, owner: str, rows: Sequence[WorkRow]) -> None:
        """Give back work that was claimed and not started; rows the owner no longer holds are left alone."""
        if not rows:
            self._require_writable()
            return
        with self._transaction() as connection:
            connection.executemany(
                sql.RELEASE_WORK, [(row.limit_keys, row.run_id, row.node, row.fence, owner) for row in rows]
            )
        self._notify(WORK_AVAILABLE)

    def _delete_families(self, root_ids: Sequence[str], keep: frozenset[str]) -> list[str]:
        with self._transaction() as connection:
            found = connection.execute(sql.LIST_DESCENDANTS, (self._array_parameter(root_ids),)).fetchall()
            ended = {run_id for _, run_id, finished_at in found if finished_at is not None}
            gone = prunable([(root, run_id) for root, run_id, _ in found], ended - keep)
            for statement in (sql.DELETE_WORK_OF_RUNS, sql.DELETE_JOURNALS, sql.DELETE_LABELS, sql.DELETE_RUNS):
                connection.execute(statement, (self._array_parameter(gone),))
        return gone

    def _delete_logs(self, run_ids: Sequence[str]) -> None:
        with self._transaction() as connection:
            for statement in (sql.DELETE_LOGS, sql.DELETE_LOG_SIZES):
                connection.execute(statement, (self._array_parameter(run_ids),))

    # -- within

    def _array_parameter(self, ids: Collection[str]) -> Any:
        return json.dumps(list(ids))

    def _notify(self, notification: Notification | None) -> None:
        if notification is not None and self._notify_pipes is not None:
            self._notify_pipes.publish(notification)

    def _select(self, statement: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
        try:
            return self._select_unescaped(statement, parameters)
        except UnicodeEncodeError:
            return self._select_unescaped(statement, text_escaping.escape_parameters(parameters))

    def _select_unescaped(self, statement: str, parameters: tuple[Any, ...]) -> list[Any]:
        self._check_open()
        values = sql.bind(statement, parameters)
        if self._database_url.path is None:
            with self._require_writable().read_connection() as connection:  # a database in memory is its one connection
                return connection.execute(statement, values).fetchall()
        self._identity.check_unchanged()
        try:
            with self._readers.connection() as connection:
                return connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._translate_error(error) from error

    def _select_composed(self, statement: Fragment) -> list[Any]:
        return self._select(statement.to_sql("?".format), statement.values)

    def _transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        return self._require_writable().transaction()

    def _require_writable(self) -> writer.WriteConnection:
        self._check_open()
        if self._writer is None:
            raise StoreReadOnly(
                f"{self._database_url.path} was opened with mode=ro", hint="leave mode=ro out of the database URL"
            )
        return self._writer

    def _check_open(self) -> None:
        if self._closed_reason:
            raise RunnerClosed(self._closed_reason, hint="open a new one")

    def _check_has_tables(self) -> None:
        """Check a database that is opened read-only.  Raises DatabaseURLError, SchemaTooNew."""
        try:
            with self._readers.connection() as connection:
                if schema.has_tables(connection):
                    return
        except sqlite3.Error as error:
            raise self._translate_error(error) from error
        raise DatabaseURLError(
            f"{connections.display_name(self._database_url)} has no tables of Holdwater, and a reader makes none",
            hint="name another file, or start a runner on this one",
        )

    def _translate_error(self, error: sqlite3.Error) -> HoldwaterError:
        return translate_error(error, connections.display_name(self._database_url), self._database_url.busy_timeout_ms)


def _connect_reader(database_url: DatabaseURL) -> sqlite3.Connection:
    """Open a connection that only reads; of a database that is never migrated it sees what is missing, empty."""
    connection = connections.connect(database_url)
    try:
        if database_url.mode == "ro":
            schema.add_missing(connection, connections.display_name(database_url))
        connection.execute("PRAGMA query_only = 1")
    except BaseException:
        connection.close()
        raise
    return connection
