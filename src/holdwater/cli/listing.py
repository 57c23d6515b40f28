"""Lists of runs: a table for people with totals, once or again and again."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import click

from holdwater.cli.formatting import aligned, count, first_line, instant, short, short_id

if TYPE_CHECKING:
    from holdwater.model.ports import Store
    from holdwater.model.records import RunFilter, RunRow
    from holdwater.runners.tasks.results import RunSummary

PAGE_RUNS: Final = 1000
"""a store gives so many at most"""
WATCH_SECONDS: Final = 2.0
_ORDER: Final = ("running", "paused", "failed", "cancelled", "completed")
_CLEAR: Final = "\x1b[H\x1b[2J\x1b[3J"


def summaries(store: Store, which: RunFilter, limit: int) -> list[RunSummary]:
    """Runs with their activities, newest first."""
    from holdwater.runners.tasks.results import RunSummary
    from holdwater.runs.activity import of_runs

    rows = list(_rows(store, which, limit))
    activities = of_runs(store, rows, _now(store))
    return [RunSummary.of(row, activities[row.id]) for row in rows]


def activity(store: Store, row: RunRow) -> str | None:
    """The activity of an unfinished run, in words; None for another one."""
    from holdwater.runners.tasks.results import RunSummary
    from holdwater.runs.activity import of_runs

    return RunSummary.of(row, of_runs(store, [row], _now(store))[row.id]).activity


def lines(store: Store, which: RunFilter, limit: int) -> list[str]:
    """The table, and a line of totals."""
    found = summaries(store, which, limit)
    totals = store.count_runs(which)
    if not found:
        return [f"no runs behind the first {which.offset:,}" if which.offset else "no runs"]
    rows = [("RUN", "WORKFLOW", "STATUS", "STARTED", "ENDED", "")]
    for run in found:
        why = first_line(run.activity or run.error_message or run.reason or "", 80)
        if run.parent_run_id is not None:
            why = ", ".join(filter(None, [f"child of {short_id(run.parent_run_id)}", why]))
        name = short(run.workflow_name, 40)
        rows.append((short_id(run.run_id), name, run.status, instant(run.start_time), instant(run.end_time), why))
    return [*aligned(rows), _totals(totals, len(found), which.offset)]


def watch(store: Store, which: RunFilter, limit: int) -> None:
    """Show the list until Ctrl-C: in its place on a terminal, otherwise one below the other."""
    screen = sys.stdout.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")
    try:
        while True:
            shown = "\n".join(lines(store, which, limit))
            click.echo(f"{_CLEAR}{shown}" if screen else f"{shown}\n")
            time.sleep(WATCH_SECONDS)
    except KeyboardInterrupt:
        return


def _totals(totals: Mapping[str, int], shown: int, offset: int) -> str:
    """`20 of 1,234 runs: 3 running, 1,231 completed`."""
    everything = sum(totals.values())
    parts = ", ".join(f"{totals[status]:,} {status}" for status in _ORDER if totals.get(status))
    part = f"{shown:,} of " if shown < everything else ""
    behind = f" (behind the first {offset:,})" if offset else ""
    return f"{part}{count(everything, 'run')}{behind}: {parts}"


def _rows(store: Store, which: RunFilter, limit: int) -> Iterator[RunRow]:
    while limit > 0:
        which = replace(which, limit=min(limit, PAGE_RUNS))
        page = store.runs(which)
        yield from page
        if len(page) < which.limit:
            return
        limit -= len(page)
        which = replace(which, before=page[-1].id, offset=0)


def _now(store: Store) -> int:
    from holdwater.runtime.clock import SystemClock, synchronise

    clock = SystemClock()
    synchronise(clock, store)
    return clock.now()
