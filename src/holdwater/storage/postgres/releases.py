"""The PostgreSQL store: releases of packages."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TypeVar

from holdwater.model.records import Notification
from holdwater.storage.notifications import RELEASES_CHANGED
from holdwater.storage.postgres import statements as sql
from holdwater.storage.postgres.pipeline import PostgresConnection
from holdwater.storage.sql.releases import SQLReleases
from holdwater.storage.sql.rows import Row

T = TypeVar("T")


class PostgresReleases(SQLReleases):
    """The part of the store for releases."""

    def _write_release(self, first: tuple[str, Row], *rest: tuple[str, Row]) -> bool:
        def write(session: PostgresConnection) -> bool:
            session.execute(sql.LOCK_RELEASES)
            if not session.execute(*first).rowcount:
                return False
            for statement, row in rest:
                session.execute(statement, row)
            session.execute(sql.NOTIFY_AT_COMMIT, self._notification_row(RELEASES_CHANGED))
            return True

        return self._with_transaction(write)

    def _write_rows(self, *statements: tuple[str, Row]) -> int:
        def write(session: PostgresConnection) -> int:
            counts = [session.execute(statement, row).rowcount for statement, row in statements]
            return counts[-1]

        return self._with_transaction(write)

    @abstractmethod
    def _with_transaction(self, function: Callable[[PostgresConnection], T]) -> T: ...

    @abstractmethod
    def _notification_row(self, notification: Notification) -> tuple[str, str]:
        """Return channel and payload of a notification."""
