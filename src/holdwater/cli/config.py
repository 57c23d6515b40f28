"""`holdwater config profile`: servers by name, in config.toml of the home."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from holdwater.cli import exit_codes, options
from holdwater.cli.exit_codes import CommandError
from holdwater.cli.formatting import align_columns, escape_unsafe
from holdwater.cli.places import ENVIRONMENT_PREFIX, FILE_PREFIX

if TYPE_CHECKING:
    from holdwater.service.client_profiles import Profile, Profiles

KEYS_FOLDER: Final = "api-keys"
"""of the home: keys that are given as they are, a file each"""


@click.group()
def config() -> None:
    """Keep the servers that commands speak to by name."""


@config.group()
def profile() -> None:
    """Keep servers by name: `holdwater runs list --profile NAME`.

    They are in config.toml of the home: HOLDWATER_HOME, or ~/.holdwater.
    """


@profile.command("set")
@click.argument("name")
@click.option("--server", metavar="URL", help="The server; as it was, if it is left out.")
@click.option("--api-key", metavar="KEY|env:NAME|file:PATH", help="The key, or where it is; - asks for it.")
@click.option("--tenant", metavar="NAME", help="The tenant.")
@click.option("--use", "use_it", is_flag=True, help="Use it from now on where a command names no place.")
def set_(name: str, server: str | None, api_key: str | None, tenant: str | None, use_it: bool) -> None:
    """Add the server NAME, or change what is given of it.

    A key that is given as it is goes to a file that only you can read; config.toml has the place of it.
    """
    from holdwater.client.server.options import DEFAULT_TENANT, ServerOptions
    from holdwater.service.client_profiles import Profile, write_profiles

    home, known = _read()
    found = known.by_name.get(name)
    if found is None and server is None:
        raise CommandError(f"there is no profile {name!r} yet: name its server", hint="--server URL")
    changed = found or Profile("")
    changed = changed if server is None else replace(changed, server=server)
    changed = changed if tenant is None else replace(changed, tenant=tenant)
    ServerOptions(url=changed.server, tenant=changed.tenant or DEFAULT_TENANT)
    made = {**known.by_name, name: changed}
    write_profiles(home, replace(known, by_name=made, current=name if use_it else known.current))
    if api_key is not None:  # after the name is known to be one
        made[name] = replace(changed, api_key=_place_of_key(home, name, api_key))
        write_profiles(home, replace(known, by_name=made, current=name if use_it else known.current))
    click.echo(f"profile {name} is {escape_unsafe(changed.server)}")


@profile.command("list")
@options.json_option("the profiles, without keys,")
def list_(as_json: bool) -> None:
    """List the servers; a * marks the one that is used."""
    _, known = _read()
    if as_json:
        rows = [_to_json(name, one, known.current) for name, one in sorted(known.by_name.items())]
        click.echo(json.dumps(rows, indent=2))
        return
    if not known.by_name:
        click.echo("no profiles")
        return
    lines = [("", "NAME", "SERVER", "TENANT", "API KEY")]
    for name, one in sorted(known.by_name.items()):
        mark = "*" if name == known.current else ""
        lines.append((mark, name, escape_unsafe(one.server), escape_unsafe(one.tenant), escape_unsafe(_shown_key(one))))
    click.echo("\n".join(align_columns(lines)))


@profile.command("use")
@click.argument("name", required=False)
@click.option("--none", "use_none", is_flag=True, help="Use none: commands work on a database again.")
def use(name: str | None, use_none: bool) -> None:
    """Use the server NAME where a command names no place."""
    from holdwater.service.client_profiles import write_profiles

    if (name is None) is not use_none:
        raise click.UsageError("give the name of a profile, or --none")
    home, known = _read()
    if name is not None:
        known.get(name)
    write_profiles(home, replace(known, current=name or ""))
    click.echo("no profile is used" if name is None else f"profile {name} is used")


@profile.command("delete")
@click.argument("name")
def delete(name: str) -> None:
    """Delete the server NAME, and the file of its key."""
    from holdwater.service.client_profiles import write_profiles

    home, known = _read()
    known.get(name)
    left = {other: one for other, one in known.by_name.items() if other != name}
    write_profiles(home, replace(known, by_name=left, current="" if known.current == name else known.current))
    (home / KEYS_FOLDER / name).unlink(missing_ok=True)
    click.echo(f"profile {name} is deleted")


def _read() -> tuple[Path, Profiles]:
    from holdwater.service.client_profiles import read_profiles
    from holdwater.service.config_file import resolve_home

    home = resolve_home(None)
    return home, read_profiles(home)


def _place_of_key(home: Path, name: str, given: str) -> str:
    """Return the place of a key; one that is given as it is goes to a file.  Raises CommandError."""
    if given.startswith((ENVIRONMENT_PREFIX, FILE_PREFIX)):
        return given
    key = click.prompt("API key", hide_input=True, err=True) if given == "-" else given
    path = home / KEYS_FOLDER / name
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(f"{key.strip()}\n")
    except (OSError, UnicodeEncodeError) as error:
        raise CommandError(
            f"the key cannot be written to {path}: {type(error).__name__}", code=exit_codes.USAGE
        ) from None
    return f"{FILE_PREFIX}{path}"


def _shown_key(found: Profile) -> str:
    return (
        found.api_key if found.api_key.startswith((ENVIRONMENT_PREFIX, FILE_PREFIX)) else "***" if found.api_key else ""
    )


def _to_json(name: str, found: Profile, current: str) -> dict[str, object]:
    return {
        "name": name,
        "server": found.server,
        "tenant": found.tenant or None,
        "api_key": _shown_key(found) or None,
        "is_used": name == current,
    }
