"""`holdwater schedules`: schedules and triggers of a database, without the code of the workflows they fire."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import click

from holdwater.cli import context_arguments, exit_codes, open_database, options
from holdwater.cli.exit_codes import CommandError
from holdwater.cli.formatting import aligned, clean, instant, short

if TYPE_CHECKING:
    from holdwater.model.ports import Store
    from holdwater.model.schedules import ScheduleRow
    from holdwater.operations.schedules import ScheduleBook

ALL: Final = 1 << 31
TAKEN_UP_WITHIN_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 0.02


@click.group()
def schedules() -> None:
    """Look at schedules and triggers, add them, steer them."""


_which = click.argument("schedule")
_json = options.as_json("the schedule")


def _book(store: Store) -> ScheduleBook:
    from holdwater.operations.schedules import ScheduleBook
    from holdwater.runtime.clock import SystemClock, synchronise
    from holdwater.runtime.services.schedules import Scheduling

    clock = SystemClock()
    synchronise(clock, store)
    return ScheduleBook(store, clock, Scheduling(), lambda name: False)


@contextmanager
def _reading(url: str) -> Iterator[tuple[Store, ScheduleBook]]:
    with open_database.existing(url) as store:
        yield store, _book(store)


@contextmanager
def _writing(url: str, *, create: bool = False) -> Iterator[tuple[Store, ScheduleBook]]:
    from holdwater.storage import open_store

    if not create:
        with open_database.existing(url):  # no tables are made in somebody else's file
            pass
    store = open_store(url)
    try:
        yield store, _book(store)
    finally:
        store.close()


def _find(book: ScheduleBook, which: str) -> ScheduleRow:
    """By name, or by the beginning of its id.  Raises ScheduleNotFound, and CommandError if there are several."""
    from holdwater.errors import ScheduleNotFound

    rows = book.rows(None, limit=ALL)
    found = [row for row in rows if row.name == which] or [row for row in rows if which and row.id.startswith(which)]
    if not found:
        raise ScheduleNotFound(f"there is no schedule {which!r}", hint="`holdwater schedules list` shows them")
    if len(found) > 1:
        raise CommandError(f"several schedules begin with {which!r}", hint="give more of the id")
    return found[0]


def _when(row: dict[str, Any]) -> str:
    if "cron_expression" in row:
        return clean(f"{row['cron_expression']} {row['timezone']}")
    return f"asked every {row['poll_interval_ms'] / 1000:g} s"


def _state(row: dict[str, Any]) -> str:
    return "paused" if not row["enabled"] else "error" if row["last_error"] else "on"


_TOLD: Final = ("id", "workflow_name", "enabled", "cron_expression", "timezone", "poll_interval_ms", "updated_at")
"""what a heading of its own tells, or what only programs need"""


def _described(row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """A schedule for people: what it fires, when and whether it does, then its options."""
    yield "schedule", clean(row["id"])
    yield "workflow", short(row["workflow_name"], 300)
    yield "when", _when(row)
    yield "state", _state(row)
    for key, value in row.items():
        if key in _TOLD or value is None:
            continue
        if key.endswith("_at"):
            yield key.removesuffix("_at").replace("_", " "), instant(value)
        elif key.endswith("_seconds"):
            yield key.removesuffix("_seconds").replace("_", " "), f"{value:g} s"
        else:
            yield key.replace("_", " "), short(value, 300)


def _plain(context: str) -> Any:
    """A context as plain JSON, whether its classes are known here or not."""
    from holdwater.model.value_types.plain_json import as_json

    return {key: as_json(tree) for key, tree in json.loads(context).items()}


def _say(book: ScheduleBook, schedule_id: str, done: str, as_json: bool) -> None:
    data = book.as_dict(book.row(None, schedule_id), _plain)
    if as_json:
        click.echo(json.dumps(data, indent=2))
        return
    click.echo(f"schedule {schedule_id} of {clean(data['workflow_name'])} {done}")
    if data.get("next_run_at"):
        click.echo(f"  next: {instant(data['next_run_at'])}")


@schedules.command("list", epilog=exit_codes.TABLE)
@options.database
@click.option("--enabled", is_flag=True, help="Only those that are not paused.")
@options.as_json("the schedules")
def list_(database: str, enabled: bool, as_json: bool) -> None:
    """List schedules and triggers, the oldest first."""
    with _reading(database) as (_, book):
        found = [book.as_dict(row, _plain) for row in book.rows(None, enabled, ALL)]
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    if not found:
        click.echo("no schedules")
        return
    rows = [("SCHEDULE", "NAME", "WORKFLOW", "WHEN", "STATE", "NEXT", "LAST")]
    for row in found:
        name = short(row.get("name") or row.get("trigger_name") or "", 30)
        state = _state(row)
        last = row["last_run_at"] if "last_run_at" in row else row["last_poll_at"]
        workflow, when = short(row["workflow_name"], 40), short(_when(row), 60)
        rows.append((row["id"], name, workflow, when, state, instant(row.get("next_run_at")), instant(last)))
    for line in aligned(rows):
        click.echo(line)


@schedules.command(epilog=exit_codes.TABLE)
@_which
@options.database
@click.option("--limit", type=click.IntRange(min=0), default=10, show_default=True, help="At most so many fires.")
@options.as_json("the schedule with its history")
def show(schedule: str, database: str, limit: int, as_json: bool) -> None:
    """Show a schedule and what became of its last instants.

    SCHEDULE is its name, or as much of the beginning of its id as no other has.
    """
    from holdwater.operations.schedules import fired_as_dict

    with _reading(database) as (_, book):
        row = _find(book, schedule)
        data, history = book.as_dict(row, _plain), [fired_as_dict(fired) for fired in book.history(row.id, limit)]
    if as_json:
        click.echo(json.dumps({**data, "history": history}, indent=2))
        return
    for line in aligned(_described(data)):
        click.echo(line)
    click.echo("history" if history else "no history")
    for line in aligned(
        (instant(f["scheduled_time"]), f["status"], f["pipeline_execution_id"] or "", short(f["reason"] or "", 100))
        for f in history
    ):
        click.echo(f"  {line}")


@schedules.command(epilog=exit_codes.TABLE)
@click.argument("workflow")
@click.argument("expression")
@click.option("--timezone", metavar="ZONE", default="UTC", show_default=True, help="An IANA name: Europe/Berlin.")
@click.option("--name", metavar="NAME", help="Change the schedule of this name if there is one.")
@click.option("--context", metavar="FILE|JSON|-", help="What its runs begin with: a file, a JSON object, or stdin.")
@click.option("--catchup", type=click.Choice(["skip", "run_once", "run_all"]), help="What to do about missed instants.")
@click.option("--grace", metavar="SECONDS", type=float, default=3600.0, help="How late a missed one may be for skip.")
@click.option("--overlap", type=click.Choice(["allow", "skip", "queue"]), default="allow", show_default=True)
@click.option("--jitter", metavar="SECONDS", type=float, default=0.0, help="Fire up to so much later.")
@click.option("--start", metavar="TIME", help="The first instant that may fire.")
@click.option("--end", metavar="TIME", help="The first instant that may not.")
@click.option("--allow-unknown", is_flag=True, help="Although no runner of the database has known the workflow yet.")
@options.database
@_json
def add(workflow: str, expression: str, database: str, as_json: bool, **given: Any) -> None:
    """Run WORKFLOW at the instants a cron EXPRESSION names.

    Runners on the database that know the workflow fire it.
    """
    context = context_arguments.read(given["context"])
    with _writing(database, create=True) as (_, book), _says_how_to_add():
        schedule_id = book.register(
            workflow,
            expression,
            given["timezone"],
            context=context,
            name=given["name"],
            catchup_policy=given["catchup"],
            misfire_grace_seconds=given["grace"],
            overlap=given["overlap"],
            jitter_seconds=given["jitter"],
            start=given["start"],
            end=given["end"],
            allow_unknown=given["allow_unknown"],
        )
        _say(book, schedule_id, f"fires at {clean(expression)}, {clean(given['timezone'])}", as_json)


@contextmanager
def _says_how_to_add() -> Iterator[None]:
    """Name the option of the command line, in the place of the argument of the runner."""
    from holdwater.errors import WorkflowNotFound

    try:
        yield
    except WorkflowNotFound as error:
        raise CommandError(
            error.message,
            hint="start a runner that has the workflow, or say --allow-unknown if one will have it later",
            code=exit_codes.NOT_FOUND,
        ) from error


@schedules.command(epilog=exit_codes.TABLE)
@_which
@options.database
@_json
def pause(schedule: str, database: str, as_json: bool) -> None:
    """Fire no more, ask no more; runs that were started go on."""
    _enable(schedule, database, False, "is paused", as_json)


@schedules.command(epilog=exit_codes.TABLE)
@_which
@options.database
@_json
def resume(schedule: str, database: str, as_json: bool) -> None:
    """Let a paused schedule go on, from now on."""
    _enable(schedule, database, True, "goes on", as_json)


def _enable(schedule: str, database: str, enabled: bool, done: str, as_json: bool) -> None:
    with _writing(database) as (_, book):
        row = _find(book, schedule)
        book.enable(row.kind, row.id if row.kind == "cron" else row.name or "", enabled)
        _say(book, row.id, done, as_json)


@schedules.command(epilog=exit_codes.TABLE)
@_which
@options.database
@_json
def remove(schedule: str, database: str, as_json: bool) -> None:
    """Delete a schedule with its history; its runs stay."""
    with _writing(database) as (_, book):
        row = _find(book, schedule)
        data = book.as_dict(row, _plain)
        book.delete(row.id)
    if as_json:
        click.echo(json.dumps(data, indent=2))
    else:
        click.echo(f"schedule {row.id} of {clean(row.workflow)} is deleted")


@schedules.command("run-now", epilog=exit_codes.TABLE)
@_which
@options.database
@options.as_json("what became of it")
def run_now(schedule: str, database: str, as_json: bool) -> None:
    """Have a run started at once, besides its instants, by a runner that knows the workflow."""
    from holdwater.operations.schedules import fired_as_dict

    with _writing(database) as (_, book):
        row = _find(book, schedule)
        book.ask(row.id)
        give_up = time.monotonic() + TAKEN_UP_WITHIN_SECONDS
        while not (fired := book.history(row.id, 1)[0]).fire.run_id and time.monotonic() < give_up:
            time.sleep(LOOK_SECONDS)
    if as_json:
        click.echo(json.dumps(fired_as_dict(fired), indent=2))
    elif fired.fire.run_id:
        click.echo(f"run {fired.fire.run_id} of {clean(row.workflow)} has begun")
    else:
        click.echo(f"a run of {clean(row.workflow)} is asked for; it begins when a runner knows the workflow")


@schedules.command("next", epilog=exit_codes.TABLE)
@click.argument("schedule", required=False)
@click.option("--cron", metavar="EXPRESSION", help="Of this expression, instead of a schedule.")
@click.option("--timezone", metavar="ZONE", default="UTC", show_default=True, help="The zone of --cron.")
@click.option("--count", type=click.IntRange(1, 1000), default=5, show_default=True)
@click.option("--after", metavar="TIME", help="From then on; by default from now on.")
@options.database
@options.as_json("the times")
def next_(
    schedule: str | None, cron: str | None, timezone: str, count: int, after: str | None, database: str, as_json: bool
) -> None:
    """Print the coming fire times, and what clocks that are set forward or back do to them."""
    from holdwater.operations.schedules import instant_us
    from holdwater.schedules import Cron, coming

    if (schedule is None) == (cron is None):
        raise click.UsageError("give a schedule, or --cron EXPRESSION")
    is_paused = False
    if cron is None:
        with _reading(database) as (_, book):
            row = _find(book, schedule or "")
        is_paused = not row.enabled
        if row.kind != "cron":
            raise CommandError(f"{schedule!r} is a trigger: it is asked, and has no instants")
        cron, timezone = row.expression, row.timezone
    since = time.time_ns() // 1000 if after is None else instant_us(after)
    fires = coming(Cron(cron, timezone), since, count)
    if as_json:
        rows = [{"utc": f.utc.isoformat(), "local": f.local.isoformat(), "note": f.note} for f in fires]
        click.echo(json.dumps(rows, indent=2))
        return
    for line in aligned((instant(f.utc.isoformat()), f.local.isoformat(sep=" "), f.note) for f in fires):
        click.echo(line)
    if is_paused:
        click.echo("the schedule is paused: it fires at none of these until it is resumed", err=True)
