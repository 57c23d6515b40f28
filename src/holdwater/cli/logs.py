"""`holdwater runs logs`: what the task functions of a run printed and logged, wherever it is executed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from holdwater.cli import options
from holdwater.cli.formatting import escape_unsafe, format_instant
from holdwater.cli.idle_notice import CHECK_SECONDS, IdleNotice
from holdwater.cli.place_options import place_options
from holdwater.cli.places import Place

if TYPE_CHECKING:
    from holdwater.runs.logs import LogLine

_LEVEL_COLOURS: Final = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}


@click.command()
@click.argument("run")
@place_options
@click.option("--node", metavar="NAME", help="Only lines of this task, step or node.")
@click.option("--attempt", metavar="NUMBER", type=click.IntRange(min=1), help="Only lines of attempts of this number.")
@click.option("--after", metavar="CURSOR", help="Only lines behind this one: the cursor that --json gives.")
@click.option("--follow", is_flag=True, help="Go on until the run has ended, printing lines as they come.")
@options.json_option("one line of the log per line")
def logs(
    run: str, place: Place, node: str | None, attempt: int | None, after: str | None, follow: bool, as_json: bool
) -> None:
    """Print what the tasks of a run printed and logged, and the tracebacks of attempts that failed.

    RUN is its id, the beginning or the end of it, or @last, the newest.  It may be executed in any process.

    `holdwater run`, `holdwater worker` and worker processes take output and log records by themselves; a runner in your
    own process does with capture_logs=True and capture_output=True.
    """
    with place.reading() as opened:
        run_id = opened.runs.find_run(run).id
        if not follow:
            _print_lines(opened.runs.iter_logs(run_id, node, attempt, after), as_json=as_json)
            return
        follower = opened.runs.follow_logs(run_id, node, attempt, after)
        notice = IdleNotice(opened.runs, follower.run_id, place)
        for step in follower.steps():
            _print_lines(step.lines, as_json=as_json)
            if step.change is not None and not step.change.wait(min(step.wait_seconds, CHECK_SECONDS)):
                notice.check()


def _print_lines(lines: Iterable[LogLine], *, as_json: bool) -> None:
    for line in lines:
        click.echo(json.dumps(asdict(line)) if as_json else _format_line(line))


def _format_line(line: LogLine) -> str:
    """`2026-11-30 12:00:00  load  INFO loader: 5 rows`; further lines of one text are indented."""
    from holdwater.model.time import to_rfc3339

    name = escape_unsafe(line.node) + (f"[{line.iteration}]" if line.iteration > 1 else "")
    place = name if line.attempt == 1 else f"{name}#{line.attempt}"
    first, *more = [escape_unsafe(text.expandtabs()) for text in line.plain_text.split("\n")]
    match line.stream:
        case "log":
            level = line.level or ""
            first = f"{click.style(level, fg=_LEVEL_COLOURS.get(level))} {escape_unsafe(line.logger or '')}: {first}"
        case "traceback":
            first = click.style(first, fg="red")
        case "notice":
            first = click.style(f"-- {first}", dim=True)
        case "stderr":
            first = f"{click.style('stderr', dim=True)}: {first}"
    head = f"{format_instant(to_rfc3339(line.at))}  {place}  "
    return "\n".join([head + first, *[f"    {text}" for text in more]])
