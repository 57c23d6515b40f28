"""The PostgreSQL store: concurrency limits, and claims within them.

A snapshot that is taken while another claim is under way does not see what that takes.  So a claim locks out the others
first, and counts and claims by statements after that, each of which has a snapshot of its own (READ COMMITTED).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

from holdwater.model.limits import ConcurrencyLimit
from holdwater.model.records import Notification, WorkRow
from holdwater.model.time import Micros
from holdwater.storage.notifications import LIMITS_CHANGED
from holdwater.storage.postgres import statements as sql
from holdwater.storage.postgres.pipeline import PostgresConnection, StatementCall
from holdwater.storage.sql import rows
from holdwater.storage.sql.limits import LimitQueries, limit_row, parse_limit_state

T = TypeVar("T")


class PostgresLimits(LimitQueries):
    """The part of the store for limits."""

    def put_limit(self, limit: ConcurrencyLimit) -> None:
        """Write a limit, in place of the one of its key, and have the tasks there are count towards it."""
        addition = self._additions_to_work(limit.key)

        def write(session: PostgresConnection) -> None:
            session.execute(sql.LOCK_LIMITS)
            session.execute(sql.PUT_LIMIT, limit_row(limit))
            if addition is not None:
                session.execute(*addition)

        self._with_transaction(write)
        self._execute_calls([self._notification_call(LIMITS_CHANGED)])

    def delete_limit(self, key: str) -> bool:
        """Delete a limit; False if it is not there."""
        gone = self._execute_update(sql.DELETE_LIMIT, (key,))
        if gone:
            self._execute_calls([self._notification_call(LIMITS_CHANGED)])
        return gone > 0

    def _claim_limited(
        self,
        owner: str,
        lease_until: Micros,
        limit: int,
        workflows: Collection[str],
        within_run_id: str | None,
        excluded_nodes: tuple[Sequence[str], Sequence[int]],
    ) -> list[WorkRow]:
        """Claim tasks, with limits or without, the oldest due first; returns them as they were."""

        def claim(session: PostgresConnection) -> list[WorkRow]:
            session.execute(sql.LOCK_LIMITS)
            state = parse_limit_state(session.execute(sql.LIST_LIMIT_STATE).fetchall())
            room = state.room(limit)
            which = ([*room], [*room.values()], [*workflows], within_run_id, *excluded_nodes)
            found = [rows.parse_work_row(row) for row in session.execute(sql.LIST_LIMITED_TASKS, which).fetchall()]
            chosen = {
                (row.run_id, row.node, row.fence): row
                for row in state.choose(sorted(found, key=rows.claim_sort_key), limit)
            }
            if not chosen:
                return []
            columns = [[place[i] for place in sorted(chosen)] for i in range(3)]
            taken = session.execute(sql.CLAIM_LIMITED_TASKS, (*columns, owner, lease_until)).fetchall()
            return [chosen[place] for place in taken]

        return self._with_transaction(claim, retry=False)

    @abstractmethod
    def _with_transaction(self, function: Callable[[PostgresConnection], T], *, retry: bool = True) -> T: ...

    @abstractmethod
    def _execute_update(self, statement: str, parameters: tuple[Any, ...]) -> int: ...

    @abstractmethod
    def _execute_calls(self, calls: Sequence[StatementCall]) -> None: ...

    @abstractmethod
    def _notification_call(self, notification: Notification) -> StatementCall: ...
