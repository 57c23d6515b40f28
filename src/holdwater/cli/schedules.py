"""`holdwater schedules`: schedules and triggers of a database, without the code of the workflows they fire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from holdwater.cli import context_arguments, exit_codes, options, time_arguments
from holdwater.cli.exit_codes import CommandError
from holdwater.cli.formatting import align_columns, escape_unsafe, format_instant, truncate
from holdwater.cli.place_options import place_options
from holdwater.cli.places import Place
from holdwater.model.time import from_datetime, to_rfc3339

if TYPE_CHECKING:
    from holdwater.operations.schedule_views import ScheduleInfo


@click.group()
def schedules() -> None:
    """Look at schedules and triggers, add them, steer them."""


_schedule_argument = click.argument("schedule")
_json_option = options.json_option("the schedule")


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
"""fields shown in a heading, or of use to programs only"""


def _detail_rows(row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (label, text) of a schedule: its workflow, times and state, then its options."""
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
    """Render a context as plain JSON, also with classes this process does not know."""
    from holdwater.model.value_types.plain_json import to_plain_json

    return {key: to_plain_json(tree) for key, tree in json.loads(context).items()}


def _print_schedule(schedule: ScheduleInfo, action: str, as_json: bool) -> None:
    from holdwater.runners.tasks.schedule_methods import schedule_to_dict

    data = schedule_to_dict(schedule, _plain_context)
    if as_json:
        click.echo(json.dumps(data, indent=2))
        return
    click.echo(f"schedule {escape_unsafe(schedule.name or schedule.id)} of {escape_unsafe(schedule.workflow)} {action}")
    if data.get("next_run_at"):
        click.echo(f"  next: {format_instant(data['next_run_at'])}")
    if schedule.name:
        click.echo(f"  id: {schedule.id}")


@schedules.command("list")
@place_options
@click.option("--enabled", is_flag=True, help="Only those that are not paused.")
@options.json_option("the schedules")
def list_(place: Place, enabled: bool, as_json: bool) -> None:
    """List schedules and triggers, the oldest first."""
    from holdwater.runners.tasks.schedule_methods import schedule_to_dict

    with place.reading() as opened:
        listed = opened.schedules.list_schedules(enabled_only=enabled)
    found = [schedule_to_dict(schedule, _plain_context) for schedule in listed]
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    if not found:
        click.echo("no schedules")
        return
    rows = [("NAME", "WORKFLOW", "WHEN", "STATE", "NEXT", "LAST", "ID")]
    for row in found:
        name = truncate(row.get("name") or row.get("trigger_name") or "", 30)
        state = _describe_state(row)
        last = row["last_run_at"] if "last_run_at" in row else row["last_poll_at"]
        workflow, when = truncate(row["workflow_name"], 40), truncate(_describe_timing(row), 60)
        rows.append(
            (name, workflow, when, state, format_instant(row.get("next_run_at")), format_instant(last), row["id"])
        )
    for line in align_columns(rows):
        click.echo(line)


@schedules.command()
@_schedule_argument
@place_options
@click.option("--limit", type=click.IntRange(min=0), default=10, show_default=True, help="At most so many fires.")
@options.json_option("the schedule with its history")
def show(schedule: str, place: Place, limit: int, as_json: bool) -> None:
    """Show a schedule and what became of its last instants.

    SCHEDULE is its name, or as much of the beginning of its id as no other has.
    """
    from holdwater.runners.tasks.schedule_methods import fire_to_dict, schedule_to_dict

    with place.reading() as opened:
        found = opened.schedules.find_schedule(schedule)
        fires = opened.schedules.list_fires(found, limit=limit)
    data, history = schedule_to_dict(found, _plain_context), [fire_to_dict(fire) for fire in fires]
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


@schedules.command()
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
@place_options
@_json_option
def add(workflow: str, expression: str, place: Place, as_json: bool, **given: Any) -> None:
    """Run WORKFLOW at the instants a cron EXPRESSION names.

    Runners on the database that know the workflow fire it.
    """
    context = context_arguments.read_context(given["context"])
    grace = time_arguments.check_seconds(given["grace"], "--grace")
    jitter = time_arguments.check_seconds(given["jitter"], "--jitter")
    start = time_arguments.parse_instant(given["start"], "--start")
    end = time_arguments.parse_instant(given["end"], "--end")
    with place.writing(create=True) as opened, _unknown_workflow_hint():
        made = opened.schedules.register_cron(
            workflow,
            expression,
            given["timezone"],
            context=context,
            name=given["name"],
            catchup_policy=given["catchup"],
            misfire_grace_seconds=grace,
            overlap=given["overlap"],
            jitter_seconds=jitter,
            start=start,
            end=end,
            is_known=given["allow_unknown"],
        )
    _print_schedule(made, f"fires at {escape_unsafe(expression)}, {escape_unsafe(given['timezone'])}", as_json)


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


@schedules.command()
@_schedule_argument
@place_options
@_json_option
def pause(schedule: str, place: Place, as_json: bool) -> None:
    """Fire no more, ask no more; runs that were started go on."""
    _set_enabled(schedule, place, False, "is paused", as_json)


@schedules.command()
@_schedule_argument
@place_options
@_json_option
def resume(schedule: str, place: Place, as_json: bool) -> None:
    """Let a paused schedule go on, from now on."""
    _set_enabled(schedule, place, True, "goes on", as_json)


def _set_enabled(schedule: str, place: Place, enabled: bool, action: str, as_json: bool) -> None:

    with place.writing() as opened:
        found = opened.schedules.find_schedule(schedule)
        changed = opened.schedules.set_enabled(found, enabled)
    _print_schedule(changed, action, as_json)


@schedules.command()
@_schedule_argument
@place_options
@_json_option
def remove(schedule: str, place: Place, as_json: bool) -> None:
    """Delete a schedule with its history; its runs stay."""
    from holdwater.runners.tasks.schedule_methods import schedule_to_dict

    with place.writing() as opened:
        found = opened.schedules.find_schedule(schedule)
        opened.schedules.delete_schedule(found)
    if as_json:
        click.echo(json.dumps(schedule_to_dict(found, _plain_context), indent=2))
    else:
        click.echo(f"schedule {found.id} of {escape_unsafe(found.workflow)} is deleted")


@schedules.command("run-now")
@_schedule_argument
@place_options
@options.json_option("what became of it")
def run_now(schedule: str, place: Place, as_json: bool) -> None:
    """Have a run started at once, besides its instants, by a runner that knows the workflow."""
    from holdwater.runners.tasks.schedule_methods import fire_to_dict

    with place.writing() as opened:
        found = opened.schedules.find_schedule(schedule)
        fired = opened.schedules.fire(found)
    assert fired.fire is not None, "one without an event is part of the history"
    if as_json:
        click.echo(json.dumps(fire_to_dict(fired.fire), indent=2))
    elif fired.run_ids:
        click.echo(f"run {fired.run_ids[0]} of {escape_unsafe(found.workflow)} has begun")
    elif fired.fire.state == "failed":
        raise CommandError(f"no run of {found.workflow} could be made: {fired.fire.reason}", code=exit_codes.FAILED)
    else:
        click.echo(f"a run of {escape_unsafe(found.workflow)} is asked for; it begins when a runner knows the workflow")


@schedules.command("next")
@click.argument("schedule", required=False)
@click.option("--cron", metavar="EXPRESSION", help="Of this expression, instead of a schedule.")
@click.option("--timezone", metavar="ZONE", default="UTC", show_default=True, help="The zone of --cron.")
@click.option("--count", type=click.IntRange(1, 1000), default=5, show_default=True)
@click.option("--after", metavar="TIME", help="From then on; by default from now on.")
@place_options
@options.json_option("the times")
def next_(
    schedule: str | None, cron: str | None, timezone: str, count: int, after: str | None, place: Place, as_json: bool
) -> None:
    """Print the coming fire times, and what clocks that are set forward or back do to them."""
    from holdwater.schedules import Cron, upcoming_fires

    if (schedule is None) == (cron is None):
        raise click.UsageError("give a schedule, or --cron EXPRESSION")
    is_paused = False
    since = time_arguments.parse_instant(after, "--after") or datetime.now(UTC)
    if cron is None:
        with place.reading() as opened:
            found = opened.schedules.find_schedule(schedule or "")
            is_paused = not found.enabled
            fires = opened.schedules.forecast(found, after=since, count=count).fires
    else:
        fires = upcoming_fires(Cron(cron, timezone), from_datetime(since), count)
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
