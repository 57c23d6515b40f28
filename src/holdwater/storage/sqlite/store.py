"""The SQLite store: the port, method by method."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

from holdwater.errors import DatabaseURLError, HoldwaterError, RunnerClosed, StoreReadOnly
from holdwater.model.ports import Renewal
from holdwater.model.records import Change, News, Verdict, WorkRow
from holdwater.model.time import ClockSample
from holdwater.storage import process_forks
from holdwater.storage.notifications import WORK, news_of
from holdwater.storage.pool import Pool
from holdwater.storage.sql import rows, text_escaping
from holdwater.storage.sql.pruning import Forgetting, doomed
from holdwater.storage.sqlite import commits as batches
from holdwater.storage.sqlite import connections, schema, writer
from holdwater.storage.sqlite import statements as sql
from holdwater.storage.sqlite.errors import translate
from holdwater.storage.sqlite.file_identity import Identity
from holdwater.storage.sqlite.liveness import LocalOwners, LockedOwners, Owners
from holdwater.storage.sqlite.notify_pipe import Channel
from holdwater.storage.sqlite.schedules import SQLiteSchedules
from holdwater.storage.urls import DatabaseURL

_READERS_AT_MOST: Final = 64
_READERS_KEPT: Final = 4


class SQLiteStore(SQLiteSchedules, Forgetting):
    """Runs in a SQLite database.  Thread-safe; a forked child has to open its own."""

    proves_life = True
    _sql = sql

    def __init__(self, where: DatabaseURL) -> None:
        """Raises DatabaseURLError, StoreReadOnly, StoreUnavailable, SchemaTooNew."""
        self.url = where.text
        self._where: Final = where
        self._refusal = ""
        self._owners: Final[Owners] = LocalOwners() if where.path is None else LockedOwners(where.path)
        # connections that only read: they never wait for the writer, nor make it wait
        self._readers: Final = Pool(
            lambda: connections.connect_reader(where),
            name=connections.name(where),
            at_most=_READERS_AT_MOST,
            keep=_READERS_KEPT,
            forsake=lambda: connections.spoil(where),
        )
        self._channel: Final = None if where.path is None else Channel(where.path)
        connections.check_place(where)
        with process_forks.lifecycle:
            self._writer: Final = None if where.mode == "ro" else writer.acquire(where)
        self._identity: Final = Identity(where.path) if self._writer is None else self._writer.identity
        if self._writer is None:
            try:
                self._check_schema()
                self._identity.note()
            except BaseException:
                self._readers.close()
                raise
        process_forks.watch(self)

    def close(self) -> None:
        """Release every connection, lock and file.  Calling it again does nothing."""
        if self._refusal:
            return
        self._refusal = "this store was closed"
        self._owners.close()
        if self._channel is not None:
            self._channel.close()
        self._readers.close()
        if self._writer is not None:
            with process_forks.lifecycle:
                writer.release(self._writer)

    # -- forks

    def suspend(self) -> None:
        """Before a fork; the connections see to themselves."""

    def resume(self) -> None:
        """After a fork, in the parent."""

    def abandon(self) -> None:
        """After a fork, in the child: refuse every call, and let go of the parent's lock files."""
        if not self._refusal:
            self._refusal = "this store was opened before the process forked"
            self._owners.abandon()
            if self._channel is not None:
                self._channel.abandon()

    def listen(self, tell: Callable[[News], None]) -> bool:
        """Call `tell` with what other stores on the file write.  False for a database in memory, and on Windows."""
        self._writable()
        return self._channel is not None and self._channel.listen(tell)

    def clock_sample(self) -> ClockSample | None:
        return None

    # -- owners

    def register(self, owner: str) -> None:
        """The owner lives until it unregisters, this store is closed or the process ends."""
        self._writable()
        self._owners.register(owner)

    def unregister(self, owner: str) -> None:
        self._check()
        self._owners.unregister(owner)

    def alive(self, owner: str) -> bool | None:
        """Whether the owner lives."""
        return self._owners.life(owner) != "dead"

    def orphan_dead(self, now: int, steady_us: int = 0, lease_us: int = 0) -> int:
        """Take work from the dead, and from stopped owners of other stores what they did not renew in time.

        Returns how many rows.  An owner registered through this very store is never touched; one that runs keeps its
        work however long it could not renew, as its lock proves that it lives.
        """
        dead: list[tuple[str]] = []
        stopped: list[tuple[str, int]] = []
        for (owner,) in self._select(sql.LIST_OWNERS):
            match self._owners.life(owner):
                case "dead":
                    dead.append((owner,))
                case "alive":
                    if self._select(sql.HAS_EXPIRED, (owner, now)) and self._owners.is_stopped(owner):
                        stopped.append((owner, now))
                case "ours":
                    pass
        if not dead and not stopped:
            return 0
        with self._transaction() as connection:
            taken = connection.executemany(sql.ORPHAN_WORK, dead).rowcount
            late = connection.executemany(sql.ORPHAN_EXPIRED_WORK, stopped).rowcount
            orphaned = max(taken, 0) + max(late, 0)
        if orphaned:
            self._say(WORK)
        return orphaned

    def renew(self, owner: str, lease_until: int) -> None:
        """Extend the lease of everything the owner holds."""
        if self._select(sql.OWNS_WORK, (owner,)):
            with self._transaction() as connection:
                connection.execute(sql.RENEW_LEASES, (lease_until, owner))

    def renewal(self, owner: str, lease_us: int) -> Renewal | None:
        """None: leases need no renewal while their owner lives."""
        return None

    # -- runs

    def commit(self, changes: Sequence[Change]) -> list[Verdict]:
        """All changes in one transaction, each with its own verdict; at most one change per run.

        Raises StoreUnavailable or StoreError; then nothing of any change was written.
        """
        if not changes:
            self._writable()
            return []
        try:
            with self._transaction() as connection:
                verdicts = batches.commit(connection, changes)
        except UnicodeEncodeError:
            with self._transaction() as connection:
                verdicts = batches.commit(connection, [text_escaping.escape_change(change) for change in changes])
        self._say(news_of(changes))
        return verdicts

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
        names = json.dumps(list(workflows))
        wanted: list[tuple[str, str, tuple[Any, ...]]] = [
            (sql.HAS_CLAIMABLE_TIMERS, sql.LIST_CLAIMABLE_TIMERS, (due_before, names, under))
        ]
        if bodies:
            passed = json.dumps(list(passed_over))
            wanted.append((sql.HAS_CLAIMABLE_BODIES, sql.LIST_CLAIMABLE_BODIES, (names, under, passed)))
        if limit < 1 or not any([self._select(look, which) for look, _, which in wanted]):
            return []
        with self._transaction() as connection:
            found = [
                row
                for _, take, which in wanted
                for row in connection.execute(take, sql.bound(take, (*which, limit))).fetchall()
            ]
            connection.executemany(sql.CLAIM_WORK, [(owner, lease_until, *row[:3]) for row in found])
        return sorted([rows.read_work(row) for row in found], key=rows.claim_order)

    def release(self, owner: str, rows: Sequence[WorkRow]) -> None:
        """Give back work that was claimed and not begun; what the owner does not hold any more is left alone."""
        if not rows:
            self._writable()
            return
        with self._transaction() as connection:
            connection.executemany(sql.RELEASE_WORK, [(row.run_id, row.node, row.fence, owner) for row in rows])
        self._say(WORK)

    def _forget_families(self, roots: Sequence[str], keep: frozenset[str]) -> int:
        with self._transaction() as connection:
            found = connection.execute(sql.LIST_FAMILIES, (self._several(roots),)).fetchall()
            ended = {run_id for _, run_id, finished_at in found if finished_at is not None}
            gone = doomed([(root, run_id) for root, run_id, _ in found], ended - keep)
            for statement in (sql.DELETE_WORKS, sql.DELETE_JOURNALS, sql.DELETE_RUNS):
                connection.execute(statement, (self._several(gone),))
        return len(gone)

    # -- within

    def _several(self, ids: Collection[str]) -> Any:
        return json.dumps(list(ids))

    def _say(self, news: News | None) -> None:
        if news is not None and self._channel is not None:
            self._channel.say(news)

    def _select(self, statement: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
        try:
            return self._select_exactly(statement, parameters)
        except UnicodeEncodeError:
            return self._select_exactly(statement, text_escaping.escape_all(parameters))

    def _select_exactly(self, statement: str, parameters: tuple[Any, ...]) -> list[Any]:
        self._check()
        values = sql.bound(statement, parameters)
        if self._where.path is None:
            with self._writable().read() as connection:  # a database in memory is its one connection
                return connection.execute(statement, values).fetchall()
        self._identity.check()
        try:
            with self._readers.one() as connection:
                return connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._fault(error) from error

    def _transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        return self._writable().transaction()

    def _writable(self) -> writer.Writer:
        self._check()
        if self._writer is None:
            raise StoreReadOnly(
                f"{self._where.path} was opened with mode=ro", hint="leave mode=ro out of the database URL"
            )
        return self._writer

    def _check(self) -> None:
        if self._refusal:
            raise RunnerClosed(self._refusal, hint="open a new one")

    def _check_schema(self) -> None:
        """Of a database nobody here may bring up to date."""
        name = connections.name(self._where)
        try:
            with self._readers.one() as connection:
                if schema.is_current(connection, name):
                    return
        except sqlite3.Error as error:
            raise self._fault(error) from error
        raise DatabaseURLError(
            f"{name} does not have this version's schema, and mode=ro changes nothing",
            hint="open it once without mode=ro",
        )

    def _fault(self, error: sqlite3.Error) -> HoldwaterError:
        return translate(error, connections.name(self._where), self._where.busy_timeout_ms)
