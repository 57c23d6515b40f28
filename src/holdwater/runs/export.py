"""One run as a JSON file: its row, plan, journal, queue and log, as they are recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Final

from holdwater.errors import RunNotFound
from holdwater.model.logs import MAX_LOG_PAGE_LINES
from holdwater.model.map_items import MAX_ITEM_PAGE_ROWS
from holdwater.model.ports.store import Store
from holdwater.model.records import RunFilter, RunRow
from holdwater.model.time import Micros
from holdwater.runs.reader import RunReader

EXPORT_FORMAT: Final = 1
PAGE_ROWS: Final = 200
"""rows of a journal that are read at once"""
MAX_CHILDREN: Final = 1000
"""ids of child runs that are listed"""


def export_run(runs: RunReader, run_id: str, *, with_logs: bool = True) -> Iterator[str]:
    """Write a run as the parts of one JSON text, read a few rows at a time.

    `{"format": 1, "exported_at": instant, "run": {}, "plan": {}, "children": [ids], "journal": [{"seq", "at",
    "entries"}], "work": [], "items": [], "logs": []}`, `work` being its outstanding work, `items` those of a map;
    values in the tags of the store, instants in microseconds.  A journal that grows meanwhile is exported as far as it
    was.  Raises RunNotFound, StoreError, StoreUnavailable, at once if there is no such run.
    """
    return _parts(runs.store, runs.row(run_id), runs.clock.now(), with_logs=with_logs)


def _parts(store: Store, row: RunRow, now: Micros, *, with_logs: bool) -> Iterator[str]:
    children = [child.id for child in store.list_runs(RunFilter(parent_id=row.id, limit=MAX_CHILDREN))]
    plan, work = store.get_plan(row.structure), [asdict(one) for one in store.work_of_run(row.id)]
    head = {"format": EXPORT_FORMAT, "exported_at": now, "run": asdict(row), "plan": plan, "children": children}
    yield json.dumps(head)[:-1]
    yield ', "journal": ['
    yield from _separated(_journal_parts(store, row))
    yield f'], "work": {json.dumps(work)}, "items": ['
    yield from _separated(_item_parts(store, row))
    yield '], "logs": ['
    yield from _separated(_log_parts(store, row) if with_logs else iter(()))
    yield "]}\n"


def _journal_parts(store: Store, row: RunRow) -> Iterator[str]:
    seq = 0
    while seq < row.seq:
        rows = store.read_journal(row.id, seq, PAGE_ROWS)
        if not rows:
            raise RunNotFound(f"run {row.id!r} was deleted")
        for one in rows:
            if one.seq > row.seq:
                return
            yield f'{{"seq": {one.seq}, "at": {one.at}, "entries": {one.entries}}}'
            seq = one.seq + len(json.loads(one.entries)) - 1


def _item_parts(store: Store, row: RunRow) -> Iterator[str]:
    index = 0
    while items := store.read_map_items(row.id, index, MAX_ITEM_PAGE_ROWS):
        yield from [json.dumps(asdict(one)) for one in items]
        index = items[-1].index + 1


def _log_parts(store: Store, row: RunRow) -> Iterator[str]:
    line = 0
    while lines := store.read_logs(row.id, line, MAX_LOG_PAGE_LINES):
        yield from [json.dumps(asdict(one)) for one in lines]
        line = lines[-1].line


def _separated(parts: Iterator[str]) -> Iterator[str]:
    for number, part in enumerate(parts):
        yield f",\n{part}" if number else part
