"""The PostgreSQL store."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

import psycopg

from holdwater.errors import RunnerClosed, StoreReadOnly
from holdwater.model.records import CommitResult, Notification, RunUpdate, WorkRow
from holdwater.model.time import MONOTONIC_UNSET, ClockSample, Micros, MonotonicMicros, monotonic_now
from holdwater.storage import notifications, process_forks
from holdwater.storage.listening import Subscription
from holdwater.storage.options import StoreOptions
from holdwater.storage.pool import ConnectionPool
from holdwater.storage.postgres import commits as batches
from holdwater.storage.postgres import schema
from holdwater.storage.postgres import statements as sql
from holdwater.storage.postgres.bulk_jobs import PostgresBulkJobs
from holdwater.storage.postgres.catalog import PostgresCatalog
from holdwater.storage.postgres.drawings import PostgresDrawings
from holdwater.storage.postgres.errors import RETRYABLE_SQLSTATES, as_unreachable, translate_error
from holdwater.storage.postgres.inspection import PostgresInspection
from holdwater.storage.postgres.lease_renewal import PostgresRenewal
from holdwater.storage.postgres.limits import PostgresLimits
from holdwater.storage.postgres.listener import ChannelListener
from holdwater.storage.postgres.liveness import LeaseObserver, owner_lock_key
from holdwater.storage.postgres.logs import PostgresLogs
from holdwater.storage.postgres.map_items import PostgresMapItems
from holdwater.storage.postgres.older_schema import OlderSchema
from holdwater.storage.postgres.pipeline import PostgresConnection, StatementCall, execute_pipeline, rows_to_columns
from holdwater.storage.postgres.releases import PostgresReleases
from holdwater.storage.postgres.schedules import PostgresSchedules
from holdwater.storage.postgres.secrets import PostgresSecrets
from holdwater.storage.postgres.server import Cursor, PostgresServer, is_usable
from holdwater.storage.sql import rows, text_escaping
from holdwater.storage.sql.commits import check_consistency
from holdwater.storage.sql.fragments import Fragment
from holdwater.storage.sql.pruning import PruneQueries, prunable
from holdwater.storage.sql.questions import QuestionQueries
from holdwater.storage.sql.run_lists import RunLists

T = TypeVar("T")
LIMITED_TASKS_WAIT: Final = "limited"
"""kind of the row that says so among claimed work"""


class PostgresStore(
    PostgresCatalog,
    PostgresSchedules,
    PostgresLogs,
    PostgresDrawings,
    PostgresMapItems,
    PostgresBulkJobs,
    PostgresInspection,
    PostgresSecrets,
    PostgresReleases,
    PostgresLimits,
    QuestionQueries,
    PruneQueries,
    RunLists,
):
    """Runs in one schema of a PostgreSQL database.  Thread-safe; a forked child has to open its own."""

    tracks_liveness = False
    _sql = sql

    def __init__(self, url: str, options: StoreOptions) -> None:
        """Connect and migrate.  Raises DatabaseURLError, StoreUnavailable, StoreReadOnly, SchemaTooNew."""
        self._options = options
        self._server: Final = PostgresServer.from_url(url, options)
        self.url = self._server.name
        self._closed_reason = ""
        self._own_ids: Final[set[str]] = set()
        self._lease_observer: Final = LeaseObserver()
        self._origin: Final = os.urandom(4).hex()
        self._listener: ChannelListener | None = None
        """of this store alone"""
        self._subscription: Subscription | None = None
        self._older: OlderSchema | None = None
        """the schema is of an earlier version, and only read"""
        self._preamble: Sequence[str] = (
            [self._server.settings_statement(local=True).as_string()] if self._server.sets_per_transaction else []
        )
        self._pool: Final = ConnectionPool(
            self._server.connect,
            name=self.url,
            max_size=options.pool_size,
            max_idle=options.pool_size,
            is_usable=is_usable,
            idle_seconds=options.idle_seconds,
        )
        try:
            self._channel: Final = self._prepare_schema()
        except psycopg.Error as error:
            self._pool.close()
            raise as_unreachable(translate_error(error, self.url)) from error
        except BaseException:
            self._pool.close()
            raise
        process_forks.register_fork_aware(self)

    def _prepare_schema(self) -> str:
        """Migrate the schema, or adapt to it what only reads; returns its NOTIFY channel.  Raises DatabaseURLError."""
        with self._pool.connection() as connection:
            if not schema.is_current(connection, self._server):
                if self._options.read_only:
                    self._older = schema.older_schema(connection, self._server)
                else:
                    schema.migrate(connection, self._server)
            return schema.notify_channel(connection, self._server)

    @property
    def connections_in_use(self) -> int:
        """The number of connections that calls have now."""
        return self._pool.in_use

    def close(self) -> None:
        """Close every connection.  Calling it again does nothing."""
        if self._closed_reason:
            return
        self._closed_reason = "this store was closed"
        if self._subscription is not None:
            self._subscription.close()
        if self._listener is not None:
            self._listener.close()
        self._pool.close()

    # -- forks

    def before_fork(self) -> None:
        """Do nothing: the pool closes its connections before a fork."""

    def after_fork_in_parent(self) -> None:
        """Do nothing: the pool opens connections on demand."""

    def after_fork_in_child(self) -> None:
        """Refuse every call in a forked child."""
        self._closed_reason = self._closed_reason or "this store was opened before the process forked"

    # -- notifications and clock

    def listen(self, callback: Callable[[Notification], None]) -> bool:
        """Call `callback` with the notifications of other stores on the schema, by a connection outside of the pool."""
        self._check_open()
        listener = self._options.listener
        if listener is None:
            server = replace(self._server, role=None)
            if self._options.listen_url is not None:
                server = PostgresServer.from_url(self._options.listen_url, StoreOptions(schema=self._options.schema))
            listener = self._listener = ChannelListener(server)

        def on_message(message: str) -> None:
            origin, _, text = message.partition(" ")
            if origin != self._origin:
                callback(notifications.decode(text))

        self._subscription = listener.subscribe(
            self._channel, on_message, lambda: callback(notifications.ANYTHING_CHANGED), self._own_ids
        )
        self._subscription.wait_first_attempt()
        return True

    def follow_runs(self, run_ids: Collection[str]) -> None:
        """Have the other runners of the schema tell of new journal entries of these runs, for a while."""
        self._execute_calls(
            [self._notification_call(Notification(False, frozenset(), followed_runs=frozenset(run_ids)))]
        )

    def sample_clock(self) -> ClockSample:
        """Read the server's clock, between two readings of the monotonic one."""
        before = monotonic_now()
        ((server_us,),) = self._select(sql.GET_SERVER_TIME)
        return ClockSample.from_readings(before, server_us, monotonic_now())

    # -- owners

    def register_owner(self, owner: str) -> None:
        """Register an owner; its work is not reclaimed by this store while the store is open."""
        self._check_open()
        self._own_ids.add(owner)

    def unregister_owner(self, owner: str) -> None:
        self._check_open()
        self._own_ids.discard(owner)

    def is_alive(self, owner: str) -> bool | None:
        """Return True for an owner of this store; None, unknown, for all others."""
        return True if owner in self._own_ids else None

    def reclaim_expired(self, now: Micros, monotonic_now: MonotonicMicros = MONOTONIC_UNSET, lease_us: int = 0) -> int:
        """Take the expired work of owners of other stores (see `liveness`).  Returns the number of rows."""
        self._require_writable()
        leases = self._select(sql.LIST_LEASE_EXPIRIES, ([*self._own_ids],))
        silent = self._lease_observer.find_expired_owners(leases, now, monotonic_now, lease_us)
        if not silent:
            return 0
        keys = {owner_lock_key(owner): owner for owner in silent}
        hung = [keys[key] for (key,) in self._select(sql.LIST_HELD_LOCKS, ([*keys],))]
        orphaned = self._execute_update(sql.RECLAIM_EXPIRED_WORK, (silent, now, hung))
        if orphaned:
            self._execute_calls([self._notification_call(notifications.WORK_AVAILABLE)])
        return orphaned

    def renew_leases(self, owner: str, lease_until: Micros) -> None:
        """Extend the leases of all work of the owner."""
        self._execute_update(sql.RENEW_LEASES, (lease_until, owner))

    def lease_renewal(self, owner: str, lease_us: int) -> PostgresRenewal | None:
        """Return the renewal of the owner's leases by a child process; None on Windows."""
        self._check_open()
        if sys.platform == "win32":  # pragma: no cover - where a pipe cannot be waited for
            return None
        server = self._server
        settings = [server.settings_statement(local=False).as_string()]
        return PostgresRenewal(owner, lease_us, server.parameters, settings, sql.EXTEND_LEASES)

    # -- runs

    def commit(self, updates: Sequence[RunUpdate]) -> list[CommitResult]:
        """Commit all changes in one transaction, each with its own verdict; at most one change per run.

        Raises StoreUnavailable or StoreError; then no change was written, unless the connection was lost after the
        server had committed.
        """
        self._require_writable()
        if not updates:
            return []
        check_consistency(updates)
        told = notifications.notification_for_updates(updates)
        after = [self._notification_call(told)] if told is not None else []
        try:
            with self._pool.connection() as connection:
                try:
                    return batches.commit_updates(connection, self._preamble, updates, after)
                except (UnicodeEncodeError, psycopg.DataError):
                    clean = [text_escaping.escape_update(change, escape_nul=True) for change in updates]
                    return batches.commit_updates(connection, self._preamble, clean, after)
        except psycopg.Error as error:
            raise translate_error(error, self.url) from error

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
        self._require_writable()
        if limit < 1 or not workflows:
            return []
        full = [name for name, _ in excluded_nodes], [node for _, node in excluded_nodes]
        which = limit if include_tasks else 0, [*workflows], within_run_id, *full, due_before, limit
        found = self._select(sql.CLAIM_WORK, (*which, owner, lease_until), retry=False)
        claimed = [rows.parse_work_row(row) for row in found if row[3] != LIMITED_TASKS_WAIT]
        if len(claimed) < len(found):
            claimed += self._claim_limited(owner, lease_until, limit, workflows, within_run_id, full)
        return sorted(claimed, key=rows.claim_sort_key)

    def release_work(self, owner: str, rows: Sequence[WorkRow]) -> None:
        """Give back work that was claimed and not started; rows the owner no longer holds are left alone."""
        self._require_writable()
        if rows:
            places = rows_to_columns([(row.run_id, row.node, row.fence, row.limit_keys) for row in rows])
            self._execute_calls(
                [(sql.RELEASE_WORK, [*places, owner]), self._notification_call(notifications.WORK_AVAILABLE)]
            )

    def _delete_families(self, root_ids: Sequence[str], keep: frozenset[str]) -> list[str]:
        def delete(session: PostgresConnection) -> list[str]:
            found: list[tuple[str, str]] = session.execute(sql.LIST_DESCENDANTS, ([*root_ids],)).fetchall()
            members = [run_id for _, run_id in found]
            ended = {run_id for (run_id,) in session.execute(sql.LOCK_ENDED_RUNS, (members,))}
            gone = prunable(found, ended - keep)
            for statement in (sql.DELETE_WORK_OF_RUNS, sql.DELETE_JOURNALS, sql.DELETE_LABELS, sql.DELETE_RUNS):
                session.execute(statement, (gone,))
            return gone

        return self._with_transaction(delete)

    def _delete_logs(self, run_ids: Sequence[str]) -> None:
        self._execute_update(sql.DELETE_LOGS, ([*run_ids],))

    # -- within

    def _array_parameter(self, ids: Collection[str]) -> Any:
        return [*ids]

    def _notification_call(self, notification: Notification) -> StatementCall:
        return sql.NOTIFY, self._notification_row(notification)

    def _notification_row(self, notification: Notification) -> tuple[str, str]:
        return self._channel, f"{self._origin} {notifications.encode(notification)}"

    def _execute_calls(self, calls: Sequence[StatementCall]) -> None:
        """Execute statements without results in one transaction and one round trip."""

        def act(session: PostgresConnection) -> int:
            return execute_pipeline(session, self._preamble, calls)

        self._with_connection(act, retry=False)

    def _with_transaction(self, function: Callable[[PostgresConnection], T], *, retry: bool = True) -> T:
        """Call `function` with a connection in a transaction; again if it met a deadlock.

        `retry`: also if the connection was lost, when it may have been committed.
        """

        def act(session: PostgresConnection) -> T:
            try:
                with session.transaction():
                    for text in self._preamble:
                        session.execute(text)
                    return function(session)
            except psycopg.Error:
                session.invalidate_prepared()  # a rollback makes the driver deallocate prepared statements
                raise

        self._require_writable()
        return self._with_connection(act, retry)

    def _execute_update(self, statement: str, parameters: tuple[Any, ...]) -> int:
        """Execute a statement; returns the number of rows it changed."""
        self._require_writable()
        return self._with_connection(lambda c: self._execute(c, statement, parameters).rowcount, retry=True)

    def _select(
        self, statement: str, parameters: tuple[Any, ...] = (), *, retry: bool = True, prepare: bool | None = None
    ) -> list[Any]:
        """Fetch the rows of a query.  `retry`: repeat it once if the connection is lost.

        `prepare`: False has it planned for these values; None: it is prepared when it was executed several times.
        """
        self._check_open()

        def act(connection: PostgresConnection) -> list[Any]:
            try:
                return self._execute(connection, statement, parameters, prepare).fetchall()
            except (UnicodeEncodeError, psycopg.DataError):
                clean = text_escaping.escape_parameters(parameters, escape_nul=True)
                return self._execute(connection, statement, clean, prepare).fetchall()

        return self._with_connection(act, retry)

    def _select_composed(self, statement: Fragment) -> list[Any]:
        return self._select(statement.to_sql("${}".format), statement.values, prepare=False)

    def _execute(
        self, connection: PostgresConnection, statement: str, parameters: Sequence[Any], prepare: bool | None = None
    ) -> Cursor:
        if self._older is not None:
            statement = self._older.adapt(statement)
        if not self._preamble:
            return connection.execute(statement, parameters, prepare=prepare)
        with connection.pipeline():
            for first in self._preamble:
                connection.execute(first)
            return connection.execute(statement, parameters, prepare=prepare)

    def _with_connection(self, function: Callable[[PostgresConnection], T], retry: bool) -> T:
        """Call `function` with a connection, and again if the first was lost (only if `retry`) or met a deadlock."""
        self._check_open()
        session: PostgresConnection | None = None
        try:
            try:
                with self._pool.connection() as session:
                    return function(session)
            except psycopg.OperationalError as error:
                if session is None:  # connecting failed: no statement was sent
                    raise
                if error.sqlstate not in RETRYABLE_SQLSTATES and not (retry and session.broken):
                    raise
                with self._pool.connection() as session:
                    return function(session)
        except psycopg.Error as error:
            raise translate_error(error, self.url) from error

    def _require_writable(self) -> None:
        self._check_open()
        if self._options.read_only:
            raise StoreReadOnly(f"{self.url} was opened to be read only")

    def _check_open(self) -> None:
        if self._closed_reason:
            raise RunnerClosed(self._closed_reason, hint="open a new one")
