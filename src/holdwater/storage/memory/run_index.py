"""Heads of runs in memory, in every order in which somebody asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, takewhile
from typing import Final

from holdwater.errors import RunNotFound
from holdwater.model.records import FIRST, LAST, NOT_BEFORE, Position, RunFilter, RunRow
from holdwater.storage.memory.sorted_index import Positions


class Heads:
    """The rows themselves, not copies.  `by_id`: for who wants to look one up."""

    def __init__(self) -> None:
        self.by_id: Final[dict[str, RunRow]] = {}
        self._births: Final = Positions()
        self._families: Final[dict[str, Positions]] = {}
        """parent -> births of its children"""
        self._ends: Final = Positions()
        """of runs that are nobody's children"""
        self._keys: Final[dict[tuple[str, str], str]] = {}

    def put(self, run: RunRow) -> None:
        """A new run, or the new head of one."""
        known = self.by_id.get(run.id)
        self.by_id[run.id] = run
        if known is None:
            born = (run.created_at, run.id)
            self._births.add(born)
            if run.parent_id is not None:
                self._families.setdefault(run.parent_id, Positions()).add(born)
            if run.idempotency_key is not None:
                self._keys[run.workflow, run.idempotency_key] = run.id
        before = None if known is None else known.finished_at
        if run.parent_id is None and run.finished_at != before:
            if before is not None:
                self._ends.drop((before, run.id))
            if run.finished_at is not None:
                self._ends.add((run.finished_at, run.id))

    def remove(self, run_id: str) -> None:
        """A run, without its children."""
        run = self.by_id.pop(run_id)
        born = (run.created_at, run_id)
        self._births.drop(born)
        if run.parent_id is not None:
            siblings = self._families[run.parent_id]
            siblings.drop(born)
            if not len(siblings):
                del self._families[run.parent_id]
        elif run.finished_at is not None:
            self._ends.drop((run.finished_at, run_id))
        if run.idempotency_key is not None:
            del self._keys[run.workflow, run.idempotency_key]

    def holder(self, workflow: str, key: str) -> RunRow | None:
        """The run that has an idempotency key."""
        run_id = self._keys.get((workflow, key))
        return None if run_id is None else self.by_id[run_id]

    def asked(self, which: RunFilter) -> Iterator[RunRow]:
        """Newest first, without a limit.  Raises RunNotFound."""
        births = self._births if which.parent_id is None else self._families.get(which.parent_id, Positions())
        before = LAST
        if which.before is not None:
            if which.before not in self.by_id:
                raise RunNotFound(f"there is no run {which.before!r} to list the runs before")
            before = (self.by_id[which.before].created_at, which.before)
        since = NOT_BEFORE if which.since is None else which.since
        births_since = takewhile(lambda birth: birth[0] >= since, births.before(before))
        return (
            run
            for _, run_id in births_since
            if which.workflow in (None, (run := self.by_id[run_id]).workflow)
            and which.status in (None, run.status)
            and not (which.top_level and run.parent_id is not None)
        )

    def beginning_with(self, prefix: str) -> list[str]:
        """Sorted ids, without children whose parents' ids begin so, too."""
        return sorted(
            run.id
            for run in self.by_id.values()
            if run.id.startswith(prefix) and not (run.parent_id is not None and run.parent_id.startswith(prefix))
        )

    def in_order(self) -> list[str]:
        """Ids, the oldest first."""
        return [run_id for _, run_id in self._births.after(FIRST)]

    @property
    def ended_count(self) -> int:
        """How many runs have ended that are nobody's children."""
        return len(self._ends)

    def ended(self, after: Position, limit: int) -> list[Position]:
        """The first of them to end."""
        return list(islice(self._ends.after(after), limit))

    def family(self, root: str) -> list[str]:
        """A run, its children, and theirs."""
        family = [root]
        for run_id in family:
            if run_id in self._families:
                family += [child for _, child in self._families[run_id].after(FIRST)]
        return family

    def clear(self) -> None:
        for run_id in list(self.by_id):
            self.remove(run_id)
