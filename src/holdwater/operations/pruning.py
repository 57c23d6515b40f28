"""Deleting runs that ended long ago."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from holdwater.model.records import FIRST_CURSOR, Cursor
from holdwater.model.time import Micros
from holdwater.operations.databases import Database

PRUNE_BATCH_RUNS: Final = 200
"""runs, with their children, in one transaction"""


def prune_runs(
    database: Database, ended_before: Micros, keep: Collection[str] = (), *, limit: int | None = None
) -> int:
    """Delete runs that ended before an instant, with their children; returns how many.

    A run stays as long as it, its parent or any of its children has not ended or is in `keep`, a collection of run ids.
    `limit`: stop when about so many are deleted, after whole batches of `PRUNE_BATCH_RUNS`.
    Raises StoreUnavailable.
    """
    kept, pruned = frozenset(keep), 0
    after: Cursor | None = FIRST_CURSOR
    while after is not None and (limit is None or pruned < limit):
        batch = database.store.prune(ended_before, kept, PRUNE_BATCH_RUNS, after)
        pruned += batch.pruned_count
        after = batch.next_cursor
    return pruned
