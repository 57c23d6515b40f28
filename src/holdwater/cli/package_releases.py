"""`holdwater package list`, `activate` and `remove`: the versions of packages on the home of a daemon."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import click

from holdwater.cli import options
from holdwater.cli.formatting import align_columns, escape_unsafe, format_instant, truncate
from holdwater.cli.package_home import place_options
from holdwater.cli.places import Place
from holdwater.model.error_report import error_headline
from holdwater.model.time import to_rfc3339

if TYPE_CHECKING:
    from holdwater.operations.releases import ReleaseInfo

MAX_ERROR_CHARS: Final = 60
_STATES: Final = {"registering": "yellow", "active": "green", "broken": "red", "draining": "yellow"}


@click.command("list", short_help="List the versions of packages.")
@click.argument("package", required=False)
@place_options
@click.option("--all", "with_gone", is_flag=True, help="Also those that are gone.")
@options.json_option("the versions")
def list_(package: str | None, place: Place, with_gone: bool, as_json: bool) -> None:
    """List the versions of all packages, or of PACKAGE: their states, and why one is broken."""
    with place.reading() as opened:
        found = [one for one in opened.packages.list_releases(package) if with_gone or one.state != "gone"]
    if as_json:
        click.echo(json.dumps([_to_json(one) for one in found], indent=2))
    elif found:
        rows = [("PACKAGE", "VERSION", "STATE", "OPEN RUNS", "RELEASE", "REGISTERED", "WORKFLOWS OR ERROR")]
        click.echo("\n".join(align_columns([*rows, *[_row(one) for one in found]])))
    else:
        click.echo("no packages")


@click.command(short_help="Have new runs take a version.")
@click.argument("package")
@click.argument("version", required=False)
@place_options
@click.option("--unpin", is_flag=True, help="Have new runs take the highest version again.")
def activate(package: str, version: str | None, place: Place, unpin: bool) -> None:
    """Have new runs of PACKAGE take VERSION, whatever comes later; runs keep the release they have.

    A version that is broken is registered again.  The daemon does so within a few seconds, or when it is started.
    """
    with place.writing() as opened:
        found = opened.packages.find_release(_reference(package, version))
        if unpin:
            opened.packages.unpin_release(found.release)
            click.echo(f"{escape_unsafe(found.package)}: its highest version is active")
        elif found.state == "broken":
            opened.packages.retry_release(found.release)
            click.echo(f"{_name(found)} is broken, and is registered again")
        else:
            opened.packages.activate_release(found.release)
            click.echo(f"{_name(found)} is active, and stays so")


@click.command(short_help="Remove a version.")
@click.argument("package")
@click.argument("version", required=False)
@place_options
@click.option("--force", is_flag=True, help="Do not wait for its open runs: they are paused, and stay.")
def remove(package: str, version: str | None, place: Place, force: bool) -> None:
    """Remove VERSION of PACKAGE: it starts nothing more, and is gone when its last open run has ended.

    Its file in a watched folder is deleted.
    """
    with place.writing() as opened:
        found = opened.packages.find_release(_reference(package, version))
        found = opened.packages.remove_release(found, force=force)
    if found.state == "gone":
        click.echo(f"{_name(found)} is gone")
        return
    runs = f"{found.open_runs:,} open run{'' if found.open_runs == 1 else 's'}"
    then = "is paused" if force else "ends first"
    click.echo(f"{_name(found)} starts nothing more{f'; what is open {then}: {runs}' if found.open_runs else ''}")


def _reference(package: str, version: str | None) -> str:
    return package if version is None else f"{package}=={version}"


def _name(found: ReleaseInfo) -> str:
    return escape_unsafe(f"{found.package} {found.version}")


def _row(one: ReleaseInfo) -> tuple[str, ...]:
    state = f"{one.state}{' (pinned)' if one.is_pinned else ''}"
    detail = error_headline(one.error) if one.error else ", ".join(one.workflows)
    return (
        escape_unsafe(one.package),
        escape_unsafe(one.version),
        click.style(state, fg=_STATES.get(one.state)),
        f"{one.open_runs:,}",
        one.release,
        format_instant(to_rfc3339(one.registered_at)),
        escape_unsafe(truncate(detail, MAX_ERROR_CHARS)),
    )


def _to_json(one: ReleaseInfo) -> dict[str, Any]:
    found = asdict(one)
    for key in ("next_attempt_at", "registered_at", "changed_at"):
        found[key] = None if found[key] is None else to_rfc3339(found[key])
    return found
