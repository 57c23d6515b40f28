"""`holdwater package keys`: the keys whose signatures a daemon accepts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from holdwater.cli import options
from holdwater.cli.author import cli_author
from holdwater.cli.exit_codes import CommandError
from holdwater.cli.formatting import align_columns, escape_unsafe, format_instant, pluralize, truncate
from holdwater.cli.package_home import place_options
from holdwater.cli.package_signatures import load_public_key, parse_end
from holdwater.cli.places import Place
from holdwater.model.time import to_rfc3339, wall_now

if TYPE_CHECKING:
    from holdwater.model.releases import TrustedKey
    from holdwater.model.time import Micros

MAX_NAME_CHARS: Final = 100


@click.group(short_help="Keys whose signatures a daemon accepts.")
def keys() -> None:
    """Keep the keys whose signatures a daemon accepts.

    With `require_signatures = true` in the [packages] of its config.toml, it registers nothing else.
    """


@keys.command("list", short_help="List the trusted keys.")
@place_options
@options.json_option("the keys")
def list_(place: Place, as_json: bool) -> None:
    """List the trusted keys, with those that were revoked."""
    with place.reading() as opened:
        found = opened.trusted_keys.list_keys()
    if as_json:
        click.echo(json.dumps([_to_json(one) for one in found], indent=2))
    elif found:
        rows = [("NAME", "FINGERPRINT", "STATE", "ADDED", "BY")]
        click.echo("\n".join(align_columns([*rows, *[_row(one, wall_now()) for one in found]])))
    else:
        click.echo("no trusted keys")


@keys.command(short_help="Accept the signatures of a key.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", metavar="NAME", help="The name it is shown by.  [default: that of the file]")
@click.option("--expires", metavar="TIME", help="Accept its signatures no longer: in 365d, or at 2027-01-31.")
@place_options
def add(file: Path, name: str | None, expires: str | None, place: Place) -> None:
    """Accept the signatures of the public key in FILE, NAME.pub."""
    from holdwater.packages.signatures.signing_keys import trusted_key

    shown = file.stem if name is None else name
    if not shown.isprintable() or not 0 < len(shown) <= MAX_NAME_CHARS:
        raise CommandError(f"the name of a key has 1 to {MAX_NAME_CHARS} characters that can be printed")
    expires_at = None if expires is None else parse_end(expires, wall_now())
    key = trusted_key(load_public_key(file), shown, added_by=cli_author(), expires_at=expires_at)
    with place.writing(create=True) as opened:
        added = opened.trusted_keys.trust_key(key)
    until = "" if expires_at is None else f" until {format_instant(to_rfc3339(expires_at))}"
    click.echo(f"signatures of {escape_unsafe(added.name)} ({added.fingerprint[:16]}) are accepted{until}")


@keys.command(short_help="Accept no more signatures of a key.")
@click.argument("key")
@place_options
def revoke(key: str, place: Place) -> None:
    """Accept no more signatures of KEY, a name or the beginning of a fingerprint.  There is no way back.

    Versions that it has signed and that are registered go on; the command lists them.
    """
    with place.writing() as opened:
        revoked = opened.trusted_keys.revoke_key(key)
        signed = [
            one
            for one in opened.packages.list_releases()
            if one.signed_by == revoked.fingerprint and one.state != "gone"
        ]
    click.echo(f"signatures of {escape_unsafe(revoked.name)} ({revoked.fingerprint[:16]}) are accepted no more")
    if signed:
        click.echo(f"  {pluralize(len(signed), 'version')} that it has signed go on:")
        for line in align_columns([(escape_unsafe(f"{one.package} {one.version}"), one.state) for one in signed]):
            click.echo(f"  {line}")
        click.echo("  `holdwater package remove PACKAGE VERSION` ends one")


def _state(key: TrustedKey, now: Micros) -> str:
    if key.revoked_at is not None:
        return f"revoked {format_instant(to_rfc3339(key.revoked_at))}"
    if key.expires_at is None:
        return "accepted"
    return f"{'expired' if now >= key.expires_at else 'accepted until'} {format_instant(to_rfc3339(key.expires_at))}"


def _row(key: TrustedKey, now: Micros) -> tuple[str, ...]:
    added = format_instant(to_rfc3339(key.added_at))
    return (
        truncate(key.name, MAX_NAME_CHARS),
        key.fingerprint[:16],
        _state(key, now),
        added,
        escape_unsafe(key.added_by),
    )


def _to_json(key: TrustedKey) -> dict[str, Any]:
    return {
        "name": key.name,
        "fingerprint": key.fingerprint,
        "public_key": key.public_key,
        "added_by": key.added_by,
        "added_at": to_rfc3339(key.added_at),
        "expires_at": None if key.expires_at is None else to_rfc3339(key.expires_at),
        "revoked_at": None if key.revoked_at is None else to_rfc3339(key.revoked_at),
    }
