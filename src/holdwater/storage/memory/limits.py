"""The memory store: concurrency limits, and claims within them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Final

from holdwater.model.claim_keys import split_claim_key
from holdwater.model.limits import ConcurrencyLimit, LimitedWork, LimitState, join_keys, keys_of_task, split_keys
from holdwater.model.records import RunRow, WorkRow
from holdwater.storage.sql.rows import claim_sort_key


class MemoryLimits:
    """The limits of a memory store, under its lock."""

    def __init__(
        self,
        locked: Callable[[], AbstractContextManager[None]],
        runs: Mapping[str, RunRow],
        work_rows: Callable[[], Iterator[WorkRow]],
    ) -> None:
        """Begin without any.  `runs`, `work_rows`: those of the store."""
        self._locked_for_limits, self._limited_runs, self._all_work = locked, runs, work_rows
        self._limits: Final[dict[str, ConcurrencyLimit]] = {}

    def put_limit(self, limit: ConcurrencyLimit) -> None:
        """Write a limit, in place of the one of its key, and have the tasks there are count towards it."""
        with self._locked_for_limits():
            self._limits[limit.key] = limit
            for row in self._all_work():
                if row.kind == "execute" and row.run_id in self._limited_runs:
                    labels, (workflow, _) = self._limited_runs[row.run_id].labels, split_claim_key(row.workflow)
                    keys = keys_of_task(None, workflow, labels, (limit.key,))
                    row.limit_keys = join_keys([*split_keys(row.limit_keys), *keys])

    def delete_limit(self, key: str) -> bool:
        """Delete a limit; False if it is not there."""
        with self._locked_for_limits():
            return self._limits.pop(key, None) is not None

    def list_limits(self) -> list[ConcurrencyLimit]:
        """List limits by key."""
        with self._locked_for_limits():
            return [self._limits[key] for key in sorted(self._limits)]

    def count_limited_work(self) -> list[LimitedWork]:
        """Count the tasks of each set of keys, those of paused runs not."""
        with self._locked_for_limits():
            limited = [row for row in self._all_work() if row.limit_keys and not row.parked]
            held = Counter(row.limit_keys for row in limited if row.owner is not None)
            waiting = Counter(row.limit_keys for row in limited if row.owner is None)
        return [LimitedWork(keys, held[keys], waiting[keys]) for keys in sorted({*held, *waiting})]

    def list_held_work(self, limit: int) -> list[WorkRow]:
        """List leased tasks with keys of limits, the oldest due first, so many at most."""
        with self._locked_for_limits():
            found = [row for row in self._all_work() if row.limit_keys and row.owner is not None]
            return [replace(row) for row in sorted(found, key=claim_sort_key)[:limit]]

    def _choose_within_limits(self, candidates: Sequence[WorkRow], limit: int) -> Iterable[WorkRow]:
        """Choose tasks to claim; the lock is held.  `candidates`: the oldest due first."""
        if not any([row.limit_keys for row in candidates]):
            return candidates[:limit]
        held = Counter(row.limit_keys for row in self._all_work() if row.owner is not None and row.limit_keys)
        state = LimitState({key: one.max_running for key, one in self._limits.items()}, dict(held))
        return state.choose(candidates, limit)
