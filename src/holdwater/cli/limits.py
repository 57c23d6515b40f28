"""`holdwater limits`: how many tasks may run at once, across all runners of a database."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from holdwater.cli import options
from holdwater.cli.formatting import align_columns, escape_unsafe, pluralize, short_id
from holdwater.cli.place_options import place_options
from holdwater.cli.places import Place
from holdwater.model.time import to_rfc3339

if TYPE_CHECKING:
    from holdwater.operations.limits import LimitHolder, LimitInfo


@click.group()
def limits() -> None:
    """Say how many tasks may run at once, across all runners of a database.

    A limit has a KEY: NAME counts the tasks that name it themselves, as @task(limit="NAME"); workflow:NAME those of a
    workflow; label:KEY=VALUE those of runs with a label.
    """


@limits.command("list")
@place_options
@options.json_option("limits with their holders")
def list_(place: Place, as_json: bool) -> None:
    """List limits with the tasks that run, and those that wait."""
    with place.reading() as opened:
        found = opened.limits.list_limits()
    if as_json:
        click.echo(json.dumps([_to_data(limit) for limit in found], indent=2))
        return
    if not found:
        click.echo('there are no limits: set one with "holdwater limits set KEY MAX"')
        return
    rows = [("LIMIT", "RUN", "MAX", "WAIT", "HELD BY")]
    rows += [
        (
            escape_unsafe(limit.key),
            f"{limit.used_count:,}",
            "none" if limit.max_running is None else f"{limit.max_running:,}",
            f"{limit.waiting_count:,}",
            _describe_holders(limit),
        )
        for limit in found
    ]
    click.echo("\n".join(align_columns(rows)))


@limits.command("set")
@click.argument("key")
@click.argument("max_running", metavar="MAX", type=int)
@place_options
@options.json_option("the limit")
def set_(key: str, max_running: int, place: Place, as_json: bool) -> None:
    """Have no more than MAX tasks run at once; 0 lets none begin.  Tasks that run already go on."""
    with place.writing() as opened:
        found = opened.limits.set_limit(key, max_running)
    if as_json:
        click.echo(json.dumps(_to_data(found), indent=2))
    else:
        running = f"{pluralize(found.used_count, 'task')} {'runs' if found.used_count == 1 else 'run'} now"
        click.echo(f"limit {escape_unsafe(key)}: {pluralize(max_running, 'task')} at once ({running})")


@limits.command()
@click.argument("key")
@place_options
def remove(key: str, place: Place) -> None:
    """Remove a limit: the tasks that wait for a place begin."""
    with place.writing() as opened:
        opened.limits.remove_limit(key)
    click.echo(f"limit {escape_unsafe(key)} is removed")


def _describe_holders(limit: LimitInfo) -> str:
    names = [f"{escape_unsafe(one.task)} of {short_id(one.run_id)}" for one in limit.holders[:3]]
    more = limit.used_count - len(names)
    return ", ".join(names) + (f" and {more:,} more" if more > 0 else "")


def _to_data(limit: LimitInfo) -> dict[str, Any]:
    return {
        "key": limit.key,
        "max": limit.max_running,
        "used": limit.used_count,
        "waiting": limit.waiting_count,
        "set_by": limit.set_by,
        "set_at": None if limit.set_at is None else to_rfc3339(limit.set_at),
        "holders": [_holder_to_data(one) for one in limit.holders],
    }


def _holder_to_data(holder: LimitHolder) -> dict[str, Any]:
    return {
        "run_id": holder.run_id,
        "workflow": holder.workflow,
        "task": holder.task,
        "runner": holder.runner,
        "lease_until": to_rfc3339(holder.lease_until),
        "started": holder.started,
    }
