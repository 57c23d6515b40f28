"""`holdwater package upload`: an archive goes to a server."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from holdwater.cli import exit_codes, options
from holdwater.cli.commands import format_command
from holdwater.cli.exit_codes import CommandError
from holdwater.cli.formatting import escape_unsafe, first_line
from holdwater.cli.place_options import server_place_options
from holdwater.cli.places import ServerPlace

MAX_ARCHIVE_BYTES = 1 << 30
MAX_ERROR_CHARS = 300


@click.command(short_help="Send an archive to a server.")
@click.argument("archive", type=click.Path(path_type=Path))
@click.option("--sig", "signature", type=click.Path(path_type=Path), help="Its signature.  [default: ARCHIVE.sig]")
@server_place_options
@options.json_option("what has become of it")
def upload(archive: Path, signature: Path | None, place: ServerPlace, as_json: bool) -> int:
    """Send ARCHIVE to a server, with the signature beside it; the highest version of a package becomes active.

    The server judges it before it unpacks it, and imports it in a process of its own.  The same archive again is no
    error.
    """
    data = _read(archive)
    beside = archive.with_name(f"{archive.name}.sig")
    statement = _read(signature) if signature is not None else _read(beside) if beside.exists() else None
    with place.controlling() as opened:
        found = opened.packages.upload(data, statement, name=archive.name)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2))
    else:
        click.echo(f"{escape_unsafe(f'{found.package} {found.version}')} (release {found.release}) is {found.state}")
        if found.error:
            click.echo(f"  {first_line(found.error, MAX_ERROR_CHARS)}")
        elif found.state == "registering":
            listed = format_command("package", "list", found.package, place=place)
            click.echo(f"  `{listed}` says when it is active")
        elif found.workflows:
            click.echo(f"  workflows: {escape_unsafe(', '.join(found.workflows))}")
    return exit_codes.REFUSED if found.state == "broken" else exit_codes.COMPLETED


def _read(path: Path) -> bytes:
    """Read a file.  Raises CommandError."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_ARCHIVE_BYTES + 1)
    except FileNotFoundError:
        raise CommandError(f"there is no file {path}", code=exit_codes.NOT_FOUND) from None
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(data) > MAX_ARCHIVE_BYTES:
        raise CommandError(f"{path} has more than {MAX_ARCHIVE_BYTES:,} bytes")
    return data
