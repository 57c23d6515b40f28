"""Retention: old ended runs are deleted, once an hour and a few at a time, so that nothing else waits for it.

The rule of the database comes before the option of the runner.
"""

from __future__ import annotations

from typing import Final

from holdwater.model.ports.clock import Clock
from holdwater.model.ports.store import Store
from holdwater.model.records import FIRST_CURSOR, Cursor
from holdwater.model.retention import DAY_US, RETENTION_SETTING, RetentionRule
from holdwater.model.time import Micros

SWEEP_INTERVAL_US: Final = 3_600_000_000
FIRST_SWEEP_US: Final = 60_000_000
"""age of a runner at which it first looks for a rule of the database; short-lived runners never do"""
BATCH_SIZE_RUNS: Final = 50
"""with their children; some milliseconds' work"""
BATCH_PAUSE_US: Final = 20_000
"""between two batches"""


class Retention:
    """A service of the loop.  `retention_seconds`: the option of the runner, None: it deletes nothing by itself.

    `obeys_database`: the runner deletes by the rule of its database.
    """

    def __init__(self, store: Store, clock: Clock, retention_seconds: float | None, *, obeys_database: bool) -> None:
        self._store = store
        self._own_rule = RetentionRule(None if retention_seconds is None else retention_seconds * 1e6 / DAY_US)
        self._obeys_database = obeys_database
        self._is_enabled = obeys_database or not self._own_rule.is_empty
        delay_us = FIRST_SWEEP_US if self._own_rule.is_empty else 0
        self._next_sweep_at = Micros(clock.now() + delay_us)
        self._rule: RetentionRule | None = None
        """of the sweep that is under way"""
        self._runs_cursor: Cursor | None = FIRST_CURSOR
        self._logs_cursor = FIRST_CURSOR
        """kept between sweeps: what ends later comes behind it"""

    def use_rule(self, rule: RetentionRule) -> None:
        """Delete by this rule from the next sweep on, unless the database has one."""
        self._own_rule = rule
        self._is_enabled = self._obeys_database or not rule.is_empty

    def due_at(self, now: Micros) -> Micros | None:
        return min(self._next_sweep_at, Micros(now + SWEEP_INTERVAL_US)) if self._is_enabled else None

    def run(self, now: Micros) -> None:
        """Delete a batch, if it is time to.  Raises StoreUnavailable; it is due again then."""
        if not self._is_enabled or now < self._next_sweep_at <= now + SWEEP_INTERVAL_US:
            return
        if self._rule is None:
            self._rule, self._runs_cursor = self._find_rule(), FIRST_CURSOR
        has_more = self._delete_runs(self._rule, now) or self._delete_logs(self._rule, now)
        if not has_more:
            self._rule = None
        self._next_sweep_at = Micros(now + (BATCH_PAUSE_US if has_more else SWEEP_INTERVAL_US))

    def _find_rule(self) -> RetentionRule:
        stored = self._store.get_setting(RETENTION_SETTING) if self._obeys_database else None
        return self._own_rule if stored is None else RetentionRule.from_data(stored.value)

    def _delete_runs(self, rule: RetentionRule, now: Micros) -> bool:
        """Delete a batch; returns True if there is more to look at."""
        before = rule.ended_before(now)
        if before is None or self._runs_cursor is None:
            return False
        result = self._store.prune(before, (), BATCH_SIZE_RUNS, self._runs_cursor, rule.spares(now))
        self._runs_cursor = result.next_cursor
        return result.next_cursor is not None

    def _delete_logs(self, rule: RetentionRule, now: Micros) -> bool:
        """Delete the logs of a batch; returns True if there is more to look at."""
        before = rule.logs_before(now)
        if before is None:
            return False
        following = self._store.prune_logs(before, BATCH_SIZE_RUNS, self._logs_cursor).next_cursor
        self._logs_cursor = following or self._logs_cursor
        return following is not None
