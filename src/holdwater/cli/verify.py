"""`holdwater verify`: the checker on a database."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from holdwater.cli import exit_codes, options
from holdwater.cli.formatting import escape_unsafe, pluralize

if TYPE_CHECKING:
    from holdwater.operations.verification import VerifyReport
    from holdwater.runs.verify.checker import Violation


@click.command()
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
    from holdwater.operations.databases import open_for_reading
    from holdwater.operations.verification import verify_database

    found: list[Violation] = []
    with open_for_reading(database) as opened:
        report = verify_database(opened, found.append if as_json else _print_violation)
    if as_json:
        click.echo(json.dumps({**asdict(report), "violations": [asdict(violation) for violation in found]}, indent=2))
    else:
        click.echo(_summary_line(report))
    return exit_codes.FAILED if report.violations else exit_codes.COMPLETED


def _print_violation(violation: Violation) -> None:
    click.echo(escape_unsafe(violation))


def _summary_line(report: VerifyReport) -> str:
    seen = f"{pluralize(report.runs, 'run')}, {pluralize(report.entries, 'journal entry').replace('entrys', 'entries')}"
    restless = ""
    if report.unstable:
        restless = f"; {pluralize(report.unstable, 'run')} changed all the while and must be checked again"
    return f"{seen}, {report.work:,} queued: {pluralize(report.violations, 'violation')}{restless}"
