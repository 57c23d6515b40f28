"""Items of a durable map on the page of its run: how many have ended, and those that failed, page by page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from holdwater.model.map_items import MapProgress, is_map
from holdwater.operations.map_items import FailedItem, failed_items, map_progress
from holdwater.runs.reader import RunReader
from holdwater.runs.view import RunView

PAGE_ITEMS: Final = 100


@dataclass(frozen=True, slots=True)
class ItemTable:
    """A page of failed items.  `first_index`: that of the page; `next_index`: that of the next page, None: the last."""

    progress: MapProgress
    rows: tuple[FailedItem, ...]
    first_index: int
    next_index: int | None


def item_progress(runs: RunReader, view: RunView) -> MapProgress | None:
    """Count the items of a run; None for one that is no durable map."""
    return map_progress(runs, view) if is_map(view.plan) else None


def build_item_table(runs: RunReader, view: RunView, first_index: int) -> ItemTable:
    """Build a page of failed items from an index on."""
    progress = item_progress(runs, view) or MapProgress(0, 0, 0)
    rows = failed_items(runs, view.id, first_index, PAGE_ITEMS + 1)
    shown = rows[:PAGE_ITEMS]
    return ItemTable(progress, shown, first_index, int(rows[PAGE_ITEMS].label) if len(rows) > PAGE_ITEMS else None)
