"""Lists of runs: a table for people with totals, once or again and again."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import click

from holdwater.cli.formatting import align_columns, first_line, format_instant, pluralize, short_id, truncate
from holdwater.model.short_error import short_error

if TYPE_CHECKING:
    from holdwater.client.interface.runs import ReadableRuns
    from holdwater.model.records import CappedCount, RunFilter
    from holdwater.model.time import Micros
    from holdwater.runners.tasks.results import RunSummary
    from holdwater.runs.info import RunInfo

WATCH_SECONDS: Final = 2.0
_MIN_DETAIL_CHARS: Final = 20
"""of the last column: why a run failed, or is where it is"""
_STATUS_ORDER: Final = ("running", "paused", "failed", "cancelled", "completed")
STRUCTURE_HINT: Final = (
    "  hint: a run whose workflow has another structure now goes on where the old code is (runs resume RUN); "
    "under the new code a fork does (runs fork RUN --from TASK)"
)
_CLEAR_SCREEN: Final = "\x1b[H\x1b[2J\x1b[3J"


def list_summaries(runs: ReadableRuns, run_filter: RunFilter, limit: int) -> list[RunSummary]:
    """List runs with their activities, newest first."""
    return _search(runs, run_filter, limit)[0]


def _search(runs: ReadableRuns, run_filter: RunFilter, limit: int) -> tuple[list[RunSummary], Micros | None]:
    """List runs page by page; returns with them the instant up to which was searched, None if that was all."""
    from holdwater.model.records import MAX_LISTED_RUNS

    found: list[RunSummary] = []
    cursor: str | None = None
    while True:
        page = runs.page_runs(replace(run_filter, limit=min(limit - len(found), MAX_LISTED_RUNS)), cursor)
        found += [_summary(runs, run) for run in page.runs]
        cursor = page.older_cursor
        if page.searched_until is not None or cursor is None or len(found) >= limit:
            return found, page.searched_until


def _summary(runs: ReadableRuns, run: RunInfo) -> RunSummary:
    """Return the summary of a run; the activity of a map that goes on or waits says how many items have ended."""
    from holdwater.runners.tasks.results import RunSummary

    summary = RunSummary.from_info(run)
    items = runs.count_items_of(run) if run.finished_at is None else None
    if items is None:
        return summary
    if summary.status == "Running":
        return replace(summary, activity=", ".join(filter(None, [summary.activity, str(items)])))
    return replace(summary, reason=", ".join(filter(None, [summary.reason, str(items)])))


def table_lines(runs: ReadableRuns, run_filter: RunFilter, limit: int) -> list[str]:
    """Return the lines of the table, and a line of totals."""
    from holdwater.runtime.parking import is_structure_change

    found, searched_until = _search(runs, run_filter, limit)
    more = [] if searched_until is None else [_go_on_line(run_filter, searched_until)]
    if any([run.status == "Paused" and is_structure_change(run.reason) for run in found]):
        more.append(STRUCTURE_HINT)
    if not found:
        none = f"no runs behind the first {run_filter.offset:,}" if run_filter.offset else "no runs"
        return [none, *more]
    totals = runs.count_runs(run_filter)
    return [*align_columns(_fitting_rows(found)), *more, _totals_line(totals, len(found), run_filter.offset)]


def _fitting_rows(found: Sequence[RunSummary]) -> list[list[str]]:
    """Return the rows of the table, as wide as the terminal.

    Authors and labels are shown only where some run has any.  Labels, authors and ends go first where there is no room.
    """
    cells = [*map(_cells, found)]
    details = "DETAILS" if any(row[-1] for row in cells) else ""
    names = ("RUN", "WORKFLOW", "STATUS", "STARTED", "ENDED", "BY", "LABELS", details)
    rows = [names, *cells]
    kept = [k for k, name in enumerate(names) if name not in ("BY", "LABELS") or any(row[k] for row in rows[1:])]
    if not sys.stdout.isatty():
        return [[row[k] for k in kept] for row in rows]
    widths = [max(len(row[k]) for row in rows) for k in range(len(names))]
    room = shutil.get_terminal_size().columns

    def left() -> int:
        """Return the width that is left for the last column."""
        return room - sum(widths[k] + 2 for k in kept[:-1])

    for name in ("LABELS", "BY", "ENDED"):
        if left() < min(widths[-1], _MIN_DETAIL_CHARS) and names.index(name) in kept:
            kept.remove(names.index(name))
    return [[row[k] for k in kept[:-1]] + [truncate(row[-1], max(left(), _MIN_DETAIL_CHARS))] for row in rows]


def _cells(run: RunSummary) -> tuple[str, ...]:
    why = first_line(run.activity or short_error(run.error_message or "") or run.reason or "", 80)
    if run.parent_run_id is not None:
        why = ", ".join(filter(None, [f"child of {short_id(run.parent_run_id)}", why]))
    return (
        short_id(run.run_id),
        truncate(run.workflow_name, 40),
        "Waits for an answer" if run.status == "Paused" and run.activity is not None else run.status,
        format_instant(run.start_time),
        format_instant(run.end_time),
        "" if run.started_by == "code" else truncate(run.started_by, 24),
        truncate(" ".join(f"{key}={value}" for key, value in run.labels.items()), 40),
        why,
    )


def _go_on_line(run_filter: RunFilter, searched_until: Micros) -> str:
    from holdwater.model.time import to_rfc3339

    option = "--ended-until" if run_filter.is_listed_by_end else "--until"
    at = to_rfc3339(searched_until)
    return f"searched until {format_instant(at)}; go on with {option} {at}"


def watch_runs(runs: ReadableRuns, run_filter: RunFilter, limit: int) -> None:
    """Show the list until Ctrl-C: in its place on a terminal, otherwise one below the other."""
    screen = sys.stdout.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")
    try:
        while True:
            shown = "\n".join(table_lines(runs, run_filter, limit))
            click.echo(f"{_CLEAR_SCREEN}{shown}" if screen else f"{shown}\n")
            time.sleep(WATCH_SECONDS)
    except KeyboardInterrupt:
        return


def _totals_line(totals: Mapping[str, CappedCount], listed_count: int, offset: int) -> str:
    """`20 of 1,234 runs: 3 running, 1,231 completed`; `10,000+` if there are more."""
    everything = sum(total.count for total in totals.values())
    is_capped = any(total.is_capped for total in totals.values())
    parts = ", ".join(f"{totals[status]} {status}" for status in _STATUS_ORDER if totals.get(status))
    part = f"{listed_count:,} of " if listed_count < everything or is_capped else ""
    behind = f" (behind the first {offset:,})" if offset else ""
    whole = f"{everything:,}+ runs" if is_capped else pluralize(everything, "run")
    return f"{part}{whole}{behind}: {parts}"
