"""`holdwater doctor`: the reasons why a run does not move, or how a database is.  Changes nothing."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from holdwater.cli import exit_codes, options
from holdwater.cli.commands import format_command
from holdwater.cli.formatting import escape_unsafe, short_id
from holdwater.cli.place_options import place_options
from holdwater.cli.places import Place
from holdwater.model.statuses import STATUS_LABELS

if TYPE_CHECKING:
    from holdwater.operations.doctor import Finding

_MARKS: Final = {"problem": ("✗", "red"), "warning": ("!", "yellow"), "info": ("·", "cyan"), "ok": ("✓", "green")}
"""severity -> mark and colour"""
_WIDTH: Final = 110


@click.command()
@click.argument("run", required=False)
@place_options
@options.json_option("the findings")
def doctor(run: str | None, place: Place, as_json: bool) -> int:
    """Say why a run does not move, and what to do; without RUN, how the database and its runners are.

    RUN is an id, its beginning or its end, or @last.  The worst comes first; the exit code is 1 if something needs a
    person.
    """
    heading = None
    with place.reading() as opened:
        if run is None:
            findings = opened.doctor.diagnose_installation()
        else:
            info = opened.runs.find_run(run)
            findings = opened.doctor.diagnose_run(info.id)
            heading = f"run {info.id} of {escape_unsafe(info.workflow)}: {STATUS_LABELS[info.status]}"
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        run_id = None if heading is None else info.id
        click.echo("\n".join([*([heading] if heading else []), *_lines(findings, run_id, place)]))
    return exit_codes.FAILED if any(one.severity == "problem" for one in findings) else exit_codes.COMPLETED


def _lines(findings: Sequence[Finding], run_id: str | None, place: Place) -> Iterator[str]:
    """`run_id`: that in the heading; findings about others name theirs."""
    for finding in findings:
        mark, colour = _MARKS[finding.severity]
        about = f"run {short_id(finding.run_id)}: " if finding.run_id not in (None, run_id) and run_id else ""
        first, *rest = textwrap.wrap(f"{about}{escape_unsafe(finding.sentence)}", _WIDTH)
        yield f"{click.style(mark, fg=colour)} {first}"
        yield from [f"  {line}" for line in rest]
        if finding.command:
            yield click.style(f"    {format_command(*finding.command, place=place)}", bold=True)
