"""Lists of runs: a table for people with totals, once or again and again."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import click

from holdwater.cli.formatting import align_columns, first_line, format_instant, pluralize, short_id, truncate
from holdwater.model.time import Micros

if TYPE_CHECKING:
    from holdwater.model.ports import Store
    from holdwater.model.records import RunFilter, RunRow
    from holdwater.runners.tasks.results import RunSummary

PAGE_RUNS: Final = 1000
"""a store gives so many at most"""
WATCH_SECONDS: Final = 2.0
_STATUS_ORDER: Final = ("running", "paused", "failed", "cancelled", "completed")
_CLEAR_SCREEN: Final = "\x1b[H\x1b[2J\x1b[3J"


def list_summaries(store: Store, run_filter: RunFilter, limit: int) -> list[RunSummary]:
    """Runs with their activities, newest first."""
    from holdwater.runners.tasks.results import RunSummary
    from holdwater.runs.activity import read_activities

    rows = list(_iter_rows(store, run_filter, limit))
    activities = read_activities(store, rows, _store_now(store))
    return [RunSummary.from_row(row, activities[row.id]) for row in rows]


def activity_text(store: Store, row: RunRow) -> str | None:
    """The activity of an unfinished run, in words; None for another one."""
    from holdwater.runners.tasks.results import RunSummary
    from holdwater.runs.activity import read_activities

    return RunSummary.from_row(row, read_activities(store, [row], _store_now(store))[row.id]).activity


def table_lines(store: Store, run_filter: RunFilter, limit: int) -> list[str]:
    """The table, and a line of totals."""
    found = list_summaries(store, run_filter, limit)
    totals = store.count_runs(run_filter)
    if not found:
        return [f"no runs behind the first {run_filter.offset:,}" if run_filter.offset else "no runs"]
    rows = [("RUN", "WORKFLOW", "STATUS", "STARTED", "ENDED", "")]
    for run in found:
        why = first_line(run.activity or run.error_message or run.reason or "", 80)
        if run.parent_run_id is not None:
            why = ", ".join(filter(None, [f"child of {short_id(run.parent_run_id)}", why]))
        name = truncate(run.workflow_name, 40)
        rows.append(
            (short_id(run.run_id), name, run.status, format_instant(run.start_time), format_instant(run.end_time), why)
        )
    return [*align_columns(rows), _totals_line(totals, len(found), run_filter.offset)]


def watch_runs(store: Store, run_filter: RunFilter, limit: int) -> None:
    """Show the list until Ctrl-C: in its place on a terminal, otherwise one below the other."""
    screen = sys.stdout.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")
    try:
        while True:
            shown = "\n".join(table_lines(store, run_filter, limit))
            click.echo(f"{_CLEAR_SCREEN}{shown}" if screen else f"{shown}\n")
            time.sleep(WATCH_SECONDS)
    except KeyboardInterrupt:
        return


def _totals_line(totals: Mapping[str, int], listed_count: int, offset: int) -> str:
    """`20 of 1,234 runs: 3 running, 1,231 completed`."""
    everything = sum(totals.values())
    parts = ", ".join(f"{totals[status]:,} {status}" for status in _STATUS_ORDER if totals.get(status))
    part = f"{listed_count:,} of " if listed_count < everything else ""
    behind = f" (behind the first {offset:,})" if offset else ""
    return f"{part}{pluralize(everything, 'run')}{behind}: {parts}"


def _iter_rows(store: Store, run_filter: RunFilter, limit: int) -> Iterator[RunRow]:
    while limit > 0:
        run_filter = replace(run_filter, limit=min(limit, PAGE_RUNS))
        page = store.list_runs(run_filter)
        yield from page
        if len(page) < run_filter.limit:
            return
        limit -= len(page)
        run_filter = replace(run_filter, before_id=page[-1].id, offset=0)


def _store_now(store: Store) -> Micros:
    from holdwater.runtime.clock import SystemClock, synchronise

    clock = SystemClock()
    synchronise(clock, store)
    return clock.now()
