"""`holdwater runs follow`: the events of a run as they are recorded, wherever it is executed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import click

from holdwater.cli import options
from holdwater.cli.formatting import escape_unsafe, first_line, format_instant
from holdwater.cli.idle_notice import CHECK_SECONDS, IdleNotice
from holdwater.cli.place_options import place_options
from holdwater.cli.places import Place

if TYPE_CHECKING:
    from holdwater.events.run_events import RunEvent

MAX_DETAIL_CHARS: Final = 200
_DETAILS: Final = ("error", "reason", "targets", "status", "child_run_id", "until", "retry_at", "answer_name", "count")
"""fields that say more than the name of the event does"""
_INSTANTS: Final = ("until", "retry_at")


@click.command()
@click.argument("run")
@place_options
@click.option(
    "--after",
    metavar="NUMBER[.PART]",
    default="0",
    help="Only what comes after this event: what stands first in its line.",
)
@options.json_option("one event per line")
def follow(run: str, place: Place, after: str, as_json: bool) -> None:
    """Print the events of a run as they are recorded, until it has ended.

    RUN is its id, the beginning or the end of it, or @last, the newest.  It may be executed in any process; while
    none executes it, a line on stderr says why.
    """
    with place.reading() as opened:
        follower = opened.runs.follow(opened.runs.find_run(run).id, _parse_position(after))
        notice = IdleNotice(opened.runs, follower.run_id, place)
        for step in follower.steps():
            for event in step.events:
                click.echo(json.dumps(event.to_dict()) if as_json else _line(event))
            if step.change is not None and not step.change.wait(min(step.wait_seconds, CHECK_SECONDS)):
                notice.check()


def _parse_position(text: str) -> int | tuple[int, int]:
    """`7` or `7.1`.  Raises UsageError."""
    seq, dot, part = text.partition(".")
    if not seq.isdecimal() or (dot and not part.isdecimal()):
        raise click.UsageError(f"--after takes a number like 7 or 7.1, not {text!r}")
    return (int(seq), int(part)) if dot else int(seq)


def _line(event: RunEvent) -> str:
    from holdwater.model.time import to_rfc3339

    data = event.to_dict()
    place = f"{event.seq}.{event.part}"
    name = escape_unsafe(str(data.get("node", "")))
    details = [str(data[key]) if key not in _INSTANTS else to_rfc3339(data[key]) for key in _DETAILS if data.get(key)]
    text = first_line(", ".join(details), MAX_DETAIL_CHARS)
    return f"{place:<7}  {format_instant(to_rfc3339(event.at))}  {event.type:<21}  {name}  {text}".rstrip()
