"""The SQLite store: concurrency limits, and claims within them.

The writer of the file is alone in its transaction, so what it counts stays true until it has claimed.
"""

from __future__ import annotations

import sqlite3
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from holdwater.model.limits import ConcurrencyLimit
from holdwater.model.records import Notification, WorkRow
from holdwater.storage.notifications import LIMITS_CHANGED
from holdwater.storage.sql import rows
from holdwater.storage.sql.limits import LimitQueries, limit_row, parse_limit_state
from holdwater.storage.sqlite import statements as sql


class SQLiteLimits(LimitQueries):
    """The part of the store for limits."""

    def put_limit(self, limit: ConcurrencyLimit) -> None:
        """Write a limit, in place of the one of its key, and have the tasks there are count towards it."""
        addition = self._additions_to_work(limit.key)
        with self._transaction() as connection:
            connection.execute(sql.PUT_LIMIT, limit_row(limit))
            if addition is not None:
                statement, values = addition
                connection.execute(statement, sql.bind(statement, values))
        self._notify(LIMITS_CHANGED)

    def delete_limit(self, key: str) -> bool:
        """Delete a limit; False if it is not there."""
        with self._transaction() as connection:
            gone = connection.execute(sql.DELETE_LIMIT, (key,)).rowcount
        if gone:
            self._notify(LIMITS_CHANGED)
        return gone > 0

    @abstractmethod
    def _transaction(self) -> AbstractContextManager[sqlite3.Connection]: ...

    @abstractmethod
    def _notify(self, notification: Notification | None) -> None: ...


def select_tasks(connection: sqlite3.Connection, which: Sequence[Any], limit: int) -> list[WorkRow]:
    """Select tasks to claim in the caller's transaction, within limits.

    `which`: the claim keys, the run they are in and the nodes to leave out, as parameters.  Raises sqlite3.Error.
    """
    if not connection.execute(sql.HAS_LIMITED_TASKS).fetchall():
        return _select(connection, which, "", limit)
    state = parse_limit_state(connection.execute(sql.LIST_LIMIT_STATE).fetchall())
    found = [
        row for limit_keys, count in state.room(limit).items() for row in _select(connection, which, limit_keys, count)
    ]
    return state.choose(sorted(found, key=rows.claim_sort_key), limit)


def _select(connection: sqlite3.Connection, which: Sequence[Any], limit_keys: str, limit: int) -> list[WorkRow]:
    statement = sql.LIST_CLAIMABLE_TASKS
    values = sql.bind(statement, (limit_keys, *which, limit))
    return [rows.parse_work_row(row) for row in connection.execute(statement, values).fetchall()]
