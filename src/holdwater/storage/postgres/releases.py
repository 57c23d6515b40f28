"""The PostgreSQL store: releases of packages."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TypeVar

from holdwater.storage.postgres.pipeline import PostgresConnection
from holdwater.storage.sql.releases import SQLReleases
from holdwater.storage.sql.rows import Row

T = TypeVar("T")


class PostgresReleases(SQLReleases):
    """The part of the store for releases."""

    def _write_rows(self, *statements: tuple[str, Row]) -> int:
        def write(session: PostgresConnection) -> int:
            counts = [session.execute(statement, row).rowcount for statement, row in statements]
            return counts[-1]

        return self._with_transaction(write)

    @abstractmethod
    def _with_transaction(self, function: Callable[[PostgresConnection], T]) -> T: ...
