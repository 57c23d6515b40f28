"""Concurrency limits on every SQL database: reading, and the shape of rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from holdwater.model.limits import (
    LABEL_PREFIX,
    WORKFLOW_PREFIX,
    ConcurrencyLimit,
    LimitedWork,
    LimitState,
)
from holdwater.model.records import WorkRow
from holdwater.storage.sql import queries, rows
from holdwater.storage.sql.rows import Row


class LimitStatements(queries.RunQueryStatements, Protocol):
    """The statements of limits in a dialect's module of statements."""

    ADD_LABEL_LIMIT_TO_WORK: str
    ADD_WORKFLOW_LIMIT_TO_WORK: str
    COUNT_LIMITED_WORK: str
    LIST_HELD_LIMITED_WORK: str
    LIST_LIMITS: str


class LimitQueries(queries.RunQueries):
    """The part of a store that reads limits."""

    _sql: LimitStatements

    def list_limits(self) -> list[ConcurrencyLimit]:
        """List limits by key."""
        return [ConcurrencyLimit(*row) for row in self._select(self._sql.LIST_LIMITS)]

    def count_limited_work(self) -> list[LimitedWork]:
        """Count the tasks of each set of keys, those of paused runs not."""
        counts: dict[str, list[int]] = {}
        for limit_keys, is_held, count in self._select(self._sql.COUNT_LIMITED_WORK):
            counts.setdefault(limit_keys, [0, 0])[1 - is_held] = count
        return [LimitedWork(limit_keys, *both) for limit_keys, both in sorted(counts.items())]

    def list_held_work(self, limit: int) -> list[WorkRow]:
        """List leased tasks with keys of limits, the oldest due first, so many at most."""
        return [rows.parse_work_row(row) for row in self._select(self._sql.LIST_HELD_LIMITED_WORK, (limit,))]

    def _additions_to_work(self, key: str) -> tuple[str, Row] | None:
        """Return what adds a limit on a workflow or a label to the tasks there are; None for one that they name."""
        if key.startswith(WORKFLOW_PREFIX):
            return self._sql.ADD_WORKFLOW_LIMIT_TO_WORK, (key, key.removeprefix(WORKFLOW_PREFIX))
        if key.startswith(LABEL_PREFIX):
            label, _, value = key.removeprefix(LABEL_PREFIX).partition("=")
            return self._sql.ADD_LABEL_LIMIT_TO_WORK, (key, label, value)
        return None


def limit_row(limit: ConcurrencyLimit) -> Row:
    return limit.key, limit.max_running, limit.set_by, limit.set_at


def parse_limit_state(found: Iterable[tuple[str, str, int]]) -> LimitState:
    """Read the rows of the state of limits."""
    state = LimitState()
    for kind, key, number in found:
        if kind == "limit":
            state.limits[key] = number
        elif kind == "held":
            state.held[key] = number
        else:
            state.waiting.append(key)
    return state
