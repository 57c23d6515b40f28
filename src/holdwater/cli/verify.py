"""`holdwater verify`: the checker on a database."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from holdwater.cli import exit_codes, open_database, options
from holdwater.cli.formatting import escape_unsafe, pluralize
from holdwater.model.time import wall_now

if TYPE_CHECKING:
    from holdwater.runs.verify.checker import CheckCounts


@click.command(epilog=exit_codes.EXIT_CODES_HELP)
@options.database_option
@options.json_option("counts and violations")
def verify(database: str, as_json: bool) -> int:
    """Check every run of a database against what the engine promises.

    Reads heads, journals and the queue, needs no code of yours, changes nothing, and may run beside a runner.

    \b
    I2  a task has at most one recorded result
    I4  work has at most one owner, and the fence that was issued
    I5  an ended run stays as it is unless it is retried; a head says what its journal says
    I6  nothing outstanding is lost, and nothing is queued that is not outstanding
    I9  a journal has no gaps, and a cause is recorded before its effect begins
    """
    from holdwater.runs.verify.checker import StoreChecker

    with open_database.open_existing(database) as store:
        checker = StoreChecker(store, wall_now)
        found = []
        for violation in checker.find_violations():
            if as_json:
                found.append(asdict(violation))
            else:
                click.echo(escape_unsafe(violation))
    tally = checker.counts
    if as_json:
        click.echo(json.dumps({**asdict(tally), "violations": found}, indent=2))
    else:
        click.echo(_summary_line(tally))
    return exit_codes.FAILED if tally.violations else exit_codes.COMPLETED


def _summary_line(counts: CheckCounts) -> str:
    seen = f"{pluralize(counts.runs, 'run')}, {pluralize(counts.entries, 'journal entry').replace('entrys', 'entries')}"
    restless = ""
    if counts.unstable:
        restless = f"; {pluralize(counts.unstable, 'run')} changed all the while and must be checked again"
    return f"{seen}, {counts.work:,} queued: {pluralize(counts.violations, 'violation')}{restless}"
