"""The PostgreSQL store: the port, method by method."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, TypeVar

import psycopg

from holdwater.errors import DatabaseURLError, RunnerClosed, StoreReadOnly
from holdwater.model.records import Change, News, Verdict, WorkRow
from holdwater.model.time import ClockSample, steady_us
from holdwater.storage import notifications, process_forks
from holdwater.storage.options import StoreOptions
from holdwater.storage.pool import Pool
from holdwater.storage.postgres import commits as batches
from holdwater.storage.postgres import schema
from holdwater.storage.postgres import statements as sql
from holdwater.storage.postgres.errors import RETRYABLE, at_opening, translate
from holdwater.storage.postgres.lease_renewal import Renewal
from holdwater.storage.postgres.listener import Listener
from holdwater.storage.postgres.liveness import Watch, lock_key
from holdwater.storage.postgres.pipeline import Call, Session, columns, exchange
from holdwater.storage.postgres.schedules import PostgresSchedules
from holdwater.storage.postgres.server import Cursor, Server, fits
from holdwater.storage.sql import rows, text_escaping
from holdwater.storage.sql.commits import check
from holdwater.storage.sql.pruning import Forgetting, doomed

T = TypeVar("T")


class PostgresStore(PostgresSchedules, Forgetting):
    """Runs in one schema of a PostgreSQL database.  Thread-safe; a forked child has to open its own."""

    proves_life = False
    _sql = sql

    def __init__(self, url: str, options: StoreOptions) -> None:
        """Raises DatabaseURLError, StoreUnavailable, StoreReadOnly, SchemaTooNew."""
        self._options = options
        self._server: Final = Server.of(url, options)
        self.url = self._server.name
        self._refusal = ""
        self._ours: Final[set[str]] = set()
        self._watch: Final = Watch()
        self._origin: Final = os.urandom(4).hex()
        self._listener: Listener | None = None
        self._first: Final[Sequence[str]] = (
            [self._server.settings(local=True).as_string()] if self._server.sets_each_transaction else []
        )
        self._pool: Final = Pool(
            self._server.connect, name=self.url, at_most=options.pool_size, keep=options.pool_size, fits=fits
        )
        try:
            self._channel: Final = self._open()
        except psycopg.Error as error:
            self._pool.close()
            raise at_opening(translate(error, self.url)) from error
        except BaseException:
            self._pool.close()
            raise
        process_forks.watch(self)

    def _open(self) -> str:
        """Bring the schema up to date; returns the channel of its news."""
        with self._pool.one() as connection:
            if not schema.is_current(connection, self._server):
                if self._options.read_only:
                    raise DatabaseURLError(
                        f"{self.url} does not have this version's tables, and a reader makes none",
                        hint="start a runner on it first",
                    )
                schema.migrate(connection, self._server)
            return schema.news_channel(connection, self._server)

    def close(self) -> None:
        """Release every connection.  Calling it again does nothing."""
        if self._refusal:
            return
        self._refusal = "this store was closed"
        if self._listener is not None:
            self._listener.close()
        self._pool.close()

    # -- forks

    def suspend(self) -> None:
        """Before a fork; the connections see to themselves."""

    def resume(self) -> None:
        """After a fork, in the parent."""

    def abandon(self) -> None:
        """After a fork, in the child: refuse every call."""
        self._refusal = self._refusal or "this store was opened before the process forked"

    # -- what others do

    def listen(self, tell: Callable[[News], None]) -> bool:
        """Call `tell` with what other stores on the schema write, from a connection that is in no pool."""
        self._check()
        server = self._server
        if self._options.listen_url is not None:
            server = Server.of(self._options.listen_url, StoreOptions(schema=self._options.schema))
        self._listener = Listener(server, self._channel, self._origin, self._ours, tell)
        self._listener.wait_tried()
        return True

    def clock_sample(self) -> ClockSample:
        """A reading of the server's clock."""
        before = steady_us()
        ((server_us,),) = self._select(sql.GET_TIME)
        return ClockSample.between(before, server_us, steady_us())

    # -- owners

    def register(self, owner: str) -> None:
        """What the owner holds is not taken as long as this store is open."""
        self._check()
        self._ours.add(owner)

    def unregister(self, owner: str) -> None:
        self._check()
        self._ours.discard(owner)

    def alive(self, owner: str) -> bool | None:
        """Of owners of other stores nobody knows."""
        return True if owner in self._ours else None

    def orphan_dead(self, now: int, steady_us: int = 0, lease_us: int = 0) -> int:
        """Take from owners of other stores what they did not renew in time.  Returns how many rows."""
        self._writable()
        leases = self._select(sql.LIST_LEASES, ([*self._ours],))
        silent = self._watch.silent(leases, now, steady_us, lease_us)
        if not silent:
            return 0
        keys = {lock_key(owner): owner for owner in silent}
        hung = [keys[key] for (key,) in self._select(sql.LIST_SESSIONS, ([*keys],))]
        orphaned = self._change(sql.ORPHAN_EXPIRED_WORK, (silent, now, hung))
        if orphaned:
            self._run([self._say(notifications.WORK)])
        return orphaned

    def renew(self, owner: str, lease_until: int) -> None:
        """Extend the lease of everything the owner holds."""
        self._change(sql.RENEW_LEASES, (lease_until, owner))

    def renewal(self, owner: str, lease_us: int) -> Renewal | None:
        """What renews the owner's leases from another process while nothing in this one can."""
        self._check()
        if sys.platform == "win32":  # pragma: no cover - where a pipe cannot be waited for
            return None
        server = self._server
        settings = [server.settings(local=False).as_string()]
        return Renewal(owner, lease_us, server.parameters, settings, sql.EXTEND_LEASES)

    # -- runs

    def commit(self, changes: Sequence[Change]) -> list[Verdict]:
        """All changes in one transaction, each with its own verdict; at most one change per run.

        Raises StoreUnavailable or StoreError; then nothing of any change was written, unless the connection was lost
        after the server had committed.
        """
        self._writable()
        if not changes:
            return []
        check(changes)
        told = notifications.news_of(changes)
        after = [self._say(told)] if told is not None else []
        try:
            with self._pool.one() as connection:
                try:
                    return batches.commit(connection, self._first, changes, after)
                except (UnicodeEncodeError, psycopg.DataError):
                    clean = [text_escaping.escape_change(change, nul=True) for change in changes]
                    return batches.commit(connection, self._first, clean, after)
        except psycopg.Error as error:
            raise translate(error, self.url) from error

    def claim(
        self,
        owner: str,
        lease_until: int,
        due_before: int,
        limit: int,
        workflows: Collection[str],
        under: str | None = None,
        *,
        passed_over: Collection[tuple[str, int]] = (),
        bodies: bool = True,
    ) -> list[WorkRow]:
        """Take unowned, unparked work of these workflows: bodies, and what else is due by then, the oldest due first.

        Returns the rows as they were before the claim.
        """
        self._writable()
        if limit < 1 or not workflows:
            return []
        full = [name for name, _ in passed_over], [node for _, node in passed_over]
        which = [*workflows], under, *full, limit if bodies else 0, due_before, limit
        found = self._select(sql.CLAIM_WORK, (*which, owner, lease_until), again=False)
        return sorted([rows.read_work(row) for row in found], key=rows.claim_order)

    def release(self, owner: str, rows: Sequence[WorkRow]) -> None:
        """Give back work that was claimed and not begun; what the owner does not hold any more is left alone."""
        self._writable()
        if rows:
            places = columns([(row.run_id, row.node, row.fence) for row in rows])
            self._run([(sql.RELEASE_WORK, [*places, owner]), self._say(notifications.WORK)])

    def _forget_families(self, roots: Sequence[str], keep: frozenset[str]) -> int:
        def act(session: Session) -> int:
            try:
                with session.transaction():
                    for text in self._first:
                        session.execute(text)
                    found: list[tuple[str, str]] = session.execute(sql.LIST_FAMILIES, ([*roots],)).fetchall()
                    members = [run_id for _, run_id in found]
                    ended = {run_id for (run_id,) in session.execute(sql.LOCK_ENDED_RUNS, (members,))}
                    gone = doomed(found, ended - keep)
                    for statement in (sql.DELETE_WORKS, sql.DELETE_JOURNALS, sql.DELETE_RUNS):
                        session.execute(statement, (gone,))
                return len(gone)
            except psycopg.Error:
                session.forget()  # a rollback makes the driver drop what is prepared
                raise

        return self._with_connection(act, again=True)

    # -- within

    def _several(self, ids: Collection[str]) -> Any:
        return [*ids]

    def _say(self, news: News) -> Call:
        return sql.NOTIFY, (self._channel, f"{self._origin} {notifications.encode(news)}")

    def _run(self, calls: Sequence[Call]) -> None:
        """Statements whose results nobody wants, in one transaction and one round trip."""

        def act(session: Session) -> int:
            return exchange(session, self._first, calls)

        self._with_connection(act, again=False)

    def _change(self, statement: str, parameters: tuple[Any, ...]) -> int:
        """How many rows a statement changed."""
        self._writable()
        return self._with_connection(lambda c: self._execute(c, statement, parameters).rowcount, again=True)

    def _select(self, statement: str, parameters: tuple[Any, ...] = (), *, again: bool = True) -> list[Any]:
        """`again`: the statement may be repeated after the connection was lost."""
        self._check()

        def act(connection: Session) -> list[Any]:
            try:
                return self._execute(connection, statement, parameters).fetchall()
            except (UnicodeEncodeError, psycopg.DataError):
                clean = text_escaping.escape_all(parameters, nul=True)
                return self._execute(connection, statement, clean).fetchall()

        return self._with_connection(act, again)

    def _execute(self, connection: Session, statement: str, parameters: Sequence[Any]) -> Cursor:
        if not self._first:
            return connection.execute(statement, parameters)
        with connection.pipeline():
            for first in self._first:
                connection.execute(first)
            return connection.execute(statement, parameters)

    def _with_connection(self, act: Callable[[Session], T], again: bool) -> T:
        """What `act` makes of a connection; a second time if the first one was lost on the way, or met a deadlock."""
        self._check()
        session: Session | None = None
        try:
            try:
                with self._pool.one() as session:
                    return act(session)
            except psycopg.OperationalError as error:
                if session is None:  # there was no connection to lose
                    raise
                if error.sqlstate not in RETRYABLE and not (again and session.broken):
                    raise
                with self._pool.one() as session:
                    return act(session)
        except psycopg.Error as error:
            raise translate(error, self.url) from error

    def _writable(self) -> None:
        self._check()
        if self._options.read_only:
            raise StoreReadOnly(f"{self.url} was opened to be read only")

    def _check(self) -> None:
        if self._refusal:
            raise RunnerClosed(self._refusal, hint="open a new one")
