"""Concurrency limits of a database: how many places there are, and which tasks hold them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from holdwater.errors import InvalidArgument, LimitNotFound
from holdwater.model.limits import MAX_LIMITS, ConcurrencyLimit, check_limit_key, check_max_running, split_keys
from holdwater.model.plan import Plan
from holdwater.model.provenance import check_author
from holdwater.model.records import WorkRow
from holdwater.model.suggestions import did_you_mean
from holdwater.model.time import Micros
from holdwater.operations.databases import Database

MAX_HOLDERS: Final = 20
"""tasks that are named as holders of one limit"""
MAX_HELD_ROWS: Final = 10_000
"""leased tasks among which they are looked for"""


@dataclass(frozen=True, slots=True)
class LimitHolder:
    """A task that holds a place.  `runner`: id of the runner that has leased it; `started`: its function has begun."""

    run_id: str
    workflow: str
    task: str
    runner: str
    lease_until: Micros
    started: bool


@dataclass(frozen=True, slots=True)
class LimitInfo:
    """A limit, or a name that tasks give without there being a limit of it.

    `max_running`: None: there is no limit.  `used_count`: tasks that hold places, which may be more just after it was
    lowered.  `waiting_count`: tasks that are due and wait.  `holders`: at most 20, the oldest first.
    """

    key: str
    max_running: int | None
    used_count: int
    waiting_count: int
    holders: tuple[LimitHolder, ...] = ()
    set_by: str = ""
    set_at: Micros | None = None

    @property
    def is_full(self) -> bool:
        """No further task may begin."""
        return self.max_running is not None and self.used_count >= self.max_running


def list_limits(database: Database) -> tuple[LimitInfo, ...]:
    """List limits with what counts towards them, by key; names that tasks give without a limit, too.

    Raises StoreUnavailable.
    """
    store = database.store
    limits = {limit.key: limit for limit in store.list_limits()}
    counts: dict[str, tuple[int, int]] = dict.fromkeys(limits, (0, 0))
    for work in store.count_limited_work():
        for key in split_keys(work.limit_keys):
            used, waiting = counts.get(key, (0, 0))
            counts[key] = (used + work.held_count, waiting + work.waiting_count)
    is_held = any([used for used, _ in counts.values()])
    rows = _rows_by_key(store.list_held_work(MAX_HELD_ROWS)) if is_held else {}
    names = _TaskNames(database)
    return tuple([_limit_info(key, limits.get(key), counts[key], rows.get(key, ()), names) for key in sorted(counts)])


def get_limit(database: Database, key: str) -> LimitInfo:
    """Read one limit.  Raises LimitNotFound, StoreUnavailable."""
    found = list_limits(database)
    for limit in found:
        if limit.key == key:
            return limit
    raise _not_found(database, key)


def set_limit(database: Database, key: str, max_running: int, *, by: str = "") -> LimitInfo:
    """Set a limit, in place of the one of its key; the tasks there are count towards it.

    `max_running`: 0 lets none begin.  Tasks that run go on, also if there are more.  Runners obey it as soon as they
    are told, and where there is no channel that tells them, with their next scan.

    Raises InvalidArgument, StoreReadOnly, StoreUnavailable.
    """
    store = database.store
    limit = ConcurrencyLimit(
        check_limit_key(key), check_max_running(max_running), check_author(by), database.clock.now()
    )
    known = {one.key for one in store.list_limits()}
    if key not in known and len(known) >= MAX_LIMITS:
        raise InvalidArgument(
            f"a database has at most {MAX_LIMITS:,} limits", hint="remove some: holdwater limits list"
        )
    store.put_limit(limit)
    database.on_schedules_changed()
    return get_limit(database, key)


def remove_limit(database: Database, key: str) -> None:
    """Remove a limit: the tasks that wait for a place begin.  Raises LimitNotFound, StoreReadOnly, StoreUnavailable."""
    if not database.store.delete_limit(key):
        raise _not_found(database, key)
    database.on_schedules_changed()


def full_limits(limits: Iterable[LimitInfo], limit_keys: str) -> list[LimitInfo]:
    """Select the full limits among those that a task counts towards."""
    keys = split_keys(limit_keys)
    return [limit for limit in limits if limit.is_full and limit.key in keys]


def _not_found(database: Database, key: str) -> LimitNotFound:
    keys = [limit.key for limit in database.store.list_limits()]
    return LimitNotFound(f"there is no limit {key!r:.200}", hint=did_you_mean(key, keys) or "holdwater limits list")


class _TaskNames:
    """Names of the tasks of work rows; each run, and each plan, is read once."""

    def __init__(self, database: Database) -> None:
        self._store = database.store
        self._plans: dict[str, Plan | None] = {}
        self._runs: dict[str, tuple[str, Plan | None]] = {}

    def of(self, row: WorkRow) -> tuple[str, str]:
        """Return the workflow and the task; of a run that is gone meanwhile as far as the row tells."""
        if row.run_id not in self._runs:
            run = self._store.get_run(row.run_id)
            self._runs[row.run_id] = (row.workflow, None) if run is None else (run.workflow, self._plan(run.structure))
        workflow, plan = self._runs[row.run_id]
        return workflow, str(row.node) if plan is None else plan.nodes[row.node].name

    def _plan(self, structure: str) -> Plan | None:
        if structure not in self._plans:
            data = self._store.get_plan(structure)
            self._plans[structure] = None if data is None else Plan.from_data(data)
        return self._plans[structure]


def _rows_by_key(rows: Sequence[WorkRow]) -> Mapping[str, list[WorkRow]]:
    found: dict[str, list[WorkRow]] = {}
    for row in rows:
        for key in split_keys(row.limit_keys):
            found.setdefault(key, []).append(row)
    return found


def _limit_info(
    key: str, limit: ConcurrencyLimit | None, counts: tuple[int, int], rows: Sequence[WorkRow], names: _TaskNames
) -> LimitInfo:
    holders = tuple(
        [
            LimitHolder(row.run_id, *names.of(row), row.owner or "", row.lease_until, row.started)
            for row in rows[:MAX_HOLDERS]
        ]
    )
    if limit is None:
        return LimitInfo(key, None, *counts, holders)
    return LimitInfo(key, limit.max_running, *counts, holders, limit.set_by, limit.set_at)
