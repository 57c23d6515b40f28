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
from holdwater.cli.formatting import align_columns, escape_unsafe, format_instant, truncate
from holdwater.model.time import from_datetime, to_rfc3339, wall_now

if TYPE_CHECKING:
    from holdwater.model.ports import Store
    from holdwater.model.schedules import ScheduleRow
    from holdwater.operations.schedules import ScheduleService

NO_LIMIT: Final = 1 << 31
PICKUP_WAIT_SECONDS: Final = 1.0
POLL_SECONDS: Final = 0.02


@click.group()
def schedules() -> None:
    """Look at schedules and triggers, add them, steer them."""


_schedule_argument = click.argument("schedule")
_json_option = options.json_option("the schedule")


def _make_service(store: Store) -> ScheduleService:
    from holdwater.operations.schedules import ScheduleService
    from holdwater.runtime.clock import SystemClock, synchronise
    from holdwater.runtime.services.schedules import ScheduleConfig

    clock = SystemClock()
    synchronise(clock, store)
    return ScheduleService(store, clock, ScheduleConfig(), lambda name: False)


@contextmanager
def _open_for_reading(url: str) -> Iterator[tuple[Store, ScheduleService]]:
    with open_database.open_existing(url) as store:
        yield store, _make_service(store)


@contextmanager
def _open_for_writing(url: str, *, create: bool = False) -> Iterator[tuple[Store, ScheduleService]]:
    from holdwater.storage import open_store

    if not create:
        with open_database.open_existing(url):  # no tables are made in somebody else's file
            pass
    store = open_store(url)
    try:
        yield store, _make_service(store)
    finally:
        store.close()


def _find_schedule(service: ScheduleService, reference: str) -> ScheduleRow:
    """By name, or by the beginning of its id.  Raises ScheduleNotFound, and CommandError if there are several."""
    from holdwater.errors import ScheduleNotFound

    rows = service.list_rows(None, limit=NO_LIMIT)
    found = [row for row in rows if row.name == reference] or [
        row for row in rows if reference and row.id.startswith(reference)
    ]
    if not found:
        raise ScheduleNotFound(f"there is no schedule {reference!r}", hint="`holdwater schedules list` shows them")
    if len(found) > 1:
        raise CommandError(f"several schedules begin with {reference!r}", hint="give more of the id")
    return found[0]


def _describe_timing(row: dict[str, Any]) -> str:
    if "cron_expression" in row:
        return escape_unsafe(f"{row['cron_expression']} {row['timezone']}")
    return f"asked every {row['poll_interval_ms'] / 1000:g} s"


def _describe_state(row: dict[str, Any]) -> str:
    return "paused" if not row["enabled"] else "error" if row["last_error"] else "on"


_HEADING_FIELDS: Final = (
    "id",
    "workflow_name",
    "enabled",
    "cron_expression",
    "timezone",
    "poll_interval_ms",
    "updated_at",
)
"""what a heading of its own tells, or what only programs need"""


def _detail_rows(row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """A schedule for people: what it fires, when and whether it does, then its options."""
    yield "schedule", escape_unsafe(row["id"])
    yield "workflow", truncate(row["workflow_name"], 300)
    yield "when", _describe_timing(row)
    yield "state", _describe_state(row)
    for key, value in row.items():
        if key in _HEADING_FIELDS or value is None:
            continue
        if key.endswith("_at"):
            yield key.removesuffix("_at").replace("_", " "), format_instant(value)
        elif key.endswith("_seconds"):
            yield key.removesuffix("_seconds").replace("_", " "), f"{value:g} s"
        else:
            yield key.replace("_", " "), truncate(value, 300)


def _plain_context(context: str) -> Any:
    """A context as plain JSON, whether its classes are known here or not."""
    from holdwater.model.value_types.plain_json import as_json

    return {key: as_json(tree) for key, tree in json.loads(context).items()}


def _print_schedule(service: ScheduleService, schedule_id: str, action: str, as_json: bool) -> None:
    data = service.schedule_to_dict(service.get_row(None, schedule_id), _plain_context)
    if as_json:
        click.echo(json.dumps(data, indent=2))
        return
    click.echo(f"schedule {schedule_id} of {escape_unsafe(data['workflow_name'])} {action}")
    if data.get("next_run_at"):
        click.echo(f"  next: {format_instant(data['next_run_at'])}")


@schedules.command("list", epilog=exit_codes.EXIT_CODES_HELP)
@options.database_option
@click.option("--enabled", is_flag=True, help="Only those that are not paused.")
@options.json_option("the schedules")
def list_(database: str, enabled: bool, as_json: bool) -> None:
    """List schedules and triggers, the oldest first."""
    with _open_for_reading(database) as (_, book):
        found = [book.schedule_to_dict(row, _plain_context) for row in book.list_rows(None, enabled, NO_LIMIT)]
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    if not found:
        click.echo("no schedules")
        return
    rows = [("SCHEDULE", "NAME", "WORKFLOW", "WHEN", "STATE", "NEXT", "LAST")]
    for row in found:
        name = truncate(row.get("name") or row.get("trigger_name") or "", 30)
        state = _describe_state(row)
        last = row["last_run_at"] if "last_run_at" in row else row["last_poll_at"]
        workflow, when = truncate(row["workflow_name"], 40), truncate(_describe_timing(row), 60)
        rows.append(
            (row["id"], name, workflow, when, state, format_instant(row.get("next_run_at")), format_instant(last))
        )
    for line in align_columns(rows):
        click.echo(line)


@schedules.command(epilog=exit_codes.EXIT_CODES_HELP)
@_schedule_argument
@options.database_option
@click.option("--limit", type=click.IntRange(min=0), default=10, show_default=True, help="At most so many fires.")
@options.json_option("the schedule with its history")
def show(schedule: str, database: str, limit: int, as_json: bool) -> None:
    """Show a schedule and what became of its last instants.

    SCHEDULE is its name, or as much of the beginning of its id as no other has.
    """
    from holdwater.operations.schedules import fire_to_dict

    with _open_for_reading(database) as (_, book):
        row = _find_schedule(book, schedule)
        data, history = (
            book.schedule_to_dict(row, _plain_context),
            [fire_to_dict(fired) for fired in book.list_fires(row.id, limit)],
        )
    if as_json:
        click.echo(json.dumps({**data, "history": history}, indent=2))
        return
    for line in align_columns(_detail_rows(data)):
        click.echo(line)
    click.echo("history" if history else "no history")
    for line in align_columns(
        (
            format_instant(f["scheduled_time"]),
            f["status"],
            f["pipeline_execution_id"] or "",
            truncate(f["reason"] or "", 100),
        )
        for f in history
    ):
        click.echo(f"  {line}")


@schedules.command(epilog=exit_codes.EXIT_CODES_HELP)
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
@options.database_option
@_json_option
def add(workflow: str, expression: str, database: str, as_json: bool, **given: Any) -> None:
    """Run WORKFLOW at the instants a cron EXPRESSION names.

    Runners on the database that know the workflow fire it.
    """
    context = context_arguments.read_context(given["context"])
    with _open_for_writing(database, create=True) as (_, book), _unknown_workflow_hint():
        schedule_id = book.register_cron(
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
        _print_schedule(
            book, schedule_id, f"fires at {escape_unsafe(expression)}, {escape_unsafe(given['timezone'])}", as_json
        )


@contextmanager
def _unknown_workflow_hint() -> Iterator[None]:
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


@schedules.command(epilog=exit_codes.EXIT_CODES_HELP)
@_schedule_argument
@options.database_option
@_json_option
def pause(schedule: str, database: str, as_json: bool) -> None:
    """Fire no more, ask no more; runs that were started go on."""
    _set_enabled(schedule, database, False, "is paused", as_json)


@schedules.command(epilog=exit_codes.EXIT_CODES_HELP)
@_schedule_argument
@options.database_option
@_json_option
def resume(schedule: str, database: str, as_json: bool) -> None:
    """Let a paused schedule go on, from now on."""
    _set_enabled(schedule, database, True, "goes on", as_json)


def _set_enabled(schedule: str, database: str, enabled: bool, action: str, as_json: bool) -> None:
    with _open_for_writing(database) as (_, book):
        row = _find_schedule(book, schedule)
        book.set_enabled(row.kind, row.id if row.kind == "cron" else row.name or "", enabled)
        _print_schedule(book, row.id, action, as_json)


@schedules.command(epilog=exit_codes.EXIT_CODES_HELP)
@_schedule_argument
@options.database_option
@_json_option
def remove(schedule: str, database: str, as_json: bool) -> None:
    """Delete a schedule with its history; its runs stay."""
    with _open_for_writing(database) as (_, book):
        row = _find_schedule(book, schedule)
        data = book.schedule_to_dict(row, _plain_context)
        book.delete(row.id)
    if as_json:
        click.echo(json.dumps(data, indent=2))
    else:
        click.echo(f"schedule {row.id} of {escape_unsafe(row.workflow)} is deleted")


@schedules.command("run-now", epilog=exit_codes.EXIT_CODES_HELP)
@_schedule_argument
@options.database_option
@options.json_option("what became of it")
def run_now(schedule: str, database: str, as_json: bool) -> None:
    """Have a run started at once, besides its instants, by a runner that knows the workflow."""
    from holdwater.operations.schedules import fire_to_dict

    with _open_for_writing(database) as (_, book):
        row = _find_schedule(book, schedule)
        book.request_run_now(row.id)
        give_up = time.monotonic() + PICKUP_WAIT_SECONDS
        while not (fired := book.list_fires(row.id, 1)[0]).fire.run_id and time.monotonic() < give_up:
            time.sleep(POLL_SECONDS)
    if as_json:
        click.echo(json.dumps(fire_to_dict(fired), indent=2))
    elif fired.fire.run_id:
        click.echo(f"run {fired.fire.run_id} of {escape_unsafe(row.workflow)} has begun")
    else:
        click.echo(f"a run of {escape_unsafe(row.workflow)} is asked for; it begins when a runner knows the workflow")


@schedules.command("next", epilog=exit_codes.EXIT_CODES_HELP)
@click.argument("schedule", required=False)
@click.option("--cron", metavar="EXPRESSION", help="Of this expression, instead of a schedule.")
@click.option("--timezone", metavar="ZONE", default="UTC", show_default=True, help="The zone of --cron.")
@click.option("--count", type=click.IntRange(1, 1000), default=5, show_default=True)
@click.option("--after", metavar="TIME", help="From then on; by default from now on.")
@options.database_option
@options.json_option("the times")
def next_(
    schedule: str | None, cron: str | None, timezone: str, count: int, after: str | None, database: str, as_json: bool
) -> None:
    """Print the coming fire times, and what clocks that are set forward or back do to them."""
    from holdwater.operations.schedules import parse_instant
    from holdwater.schedules import Cron, upcoming_fires

    if (schedule is None) == (cron is None):
        raise click.UsageError("give a schedule, or --cron EXPRESSION")
    is_paused = False
    if cron is None:
        with _open_for_reading(database) as (_, book):
            row = _find_schedule(book, schedule or "")
        is_paused = not row.enabled
        if row.kind != "cron":
            raise CommandError(f"{schedule!r} is a trigger: it is asked, and has no instants")
        cron, timezone = row.expression, row.timezone
    since = wall_now() if after is None else parse_instant(after)
    fires = upcoming_fires(Cron(cron, timezone), since, count)
    instants = [to_rfc3339(from_datetime(f.utc)) for f in fires]
    if as_json:
        rows = [
            {"utc": utc, "local": f.local.isoformat(), "note": f.note} for utc, f in zip(instants, fires, strict=True)
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    lines = [(format_instant(utc), f.local.isoformat(sep=" "), f.note) for utc, f in zip(instants, fires, strict=True)]
    for line in align_columns(lines):
        click.echo(line)
    if is_paused:
        click.echo("the schedule is paused: it fires at none of these until it is resumed", err=True)
