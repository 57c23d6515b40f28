"""Lists of runs: a table for people with totals, once or again and again."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import click

from holdwater.cli.formatting import align_columns, first_line, format_instant, pluralize, short_id, truncate

if TYPE_CHECKING:
    from holdwater.model.records import CappedCount, RunFilter
    from holdwater.runners.tasks.results import RunSummary
    from holdwater.runs.reader import RunReader

WATCH_SECONDS: Final = 2.0
_STATUS_ORDER: Final = ("running", "paused", "failed", "cancelled", "completed")
_CLEAR_SCREEN: Final = "\x1b[H\x1b[2J\x1b[3J"


def list_summaries(runs: RunReader, run_filter: RunFilter, limit: int) -> list[RunSummary]:
    """List runs with their activities, newest first."""
    from holdwater.operations.runs import list_runs
    from holdwater.runners.tasks.results import RunSummary

    return [RunSummary.from_info(run) for run in list_runs(runs, run_filter, limit)]


def table_lines(runs: RunReader, run_filter: RunFilter, limit: int) -> list[str]:
    """Return the lines of the table, and a line of totals."""
    from holdwater.operations.runs import count_runs

    found = list_summaries(runs, run_filter, limit)
    totals = count_runs(runs, run_filter)
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


def watch_runs(runs: RunReader, run_filter: RunFilter, limit: int) -> None:
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
