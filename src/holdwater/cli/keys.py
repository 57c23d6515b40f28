"""`holdwater keys`: the API keys of a server."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from holdwater.cli import options
from holdwater.cli.formatting import align_columns, escape_unsafe, format_instant
from holdwater.cli.package_signatures import parse_end
from holdwater.cli.place_options import server_place_options
from holdwater.cli.places import ServerPlace
from holdwater.model.time import to_datetime, to_rfc3339_or_none, wall_now

if TYPE_CHECKING:
    from holdwater.client.interface.keys import ApiKeyInfo, MadeApiKey


@click.group()
def keys() -> None:
    """Make, list, rotate and revoke the API keys of a server."""


@keys.command("list")
@server_place_options
@options.json_option("the keys, without their secrets,")
def list_(place: ServerPlace, as_json: bool) -> None:
    """List the keys that yours may see."""
    with place.controlling() as opened:
        found = opened.keys.list_keys()
    if as_json:
        click.echo(json.dumps([_to_json(one) for one in found], indent=2))
        return
    rows = [("ID", "NAME", "ROLE", "TENANT", "STATE", "LAST USED")]
    click.echo("\n".join(align_columns([*rows, *[_row(one) for one in found]])))


@keys.command()
@click.argument("name")
@click.option("--role", type=click.Choice(["read", "write", "admin"]), default="read", show_default=True)
@click.option("--expires", metavar="TIME", help="Accept it no longer: in 365d, or at 2027-01-31.")
@server_place_options
@options.json_option("the key")
def create(name: str, role: Any, expires: str | None, place: ServerPlace, as_json: bool) -> None:
    """Make the key NAME: of the tenant of yours, or of the one that --tenant names.

    Its text is printed, this once.
    """
    expires_at = None if expires is None else to_datetime(parse_end(expires, wall_now()))
    with place.controlling() as opened:
        made = opened.keys.create_key(name, role, tenant=place.tenant or None, expires_at=expires_at)
    _print_made(made, as_json)


@keys.command()
@click.argument("key_id", metavar="ID")
@click.option("--overlap", metavar="SECONDS", type=click.FloatRange(0, 604_800), help="The old secret lives so long.")
@server_place_options
@options.json_option("the key")
def rotate(key_id: str, overlap: float | None, place: ServerPlace, as_json: bool) -> None:
    """Give a key a new secret, which is printed, this once."""
    with place.controlling() as opened:
        made = opened.keys.rotate_key(key_id, overlap_seconds=overlap)
    _print_made(made, as_json)


@keys.command()
@click.argument("key_id", metavar="ID")
@server_place_options
def revoke(key_id: str, place: ServerPlace) -> None:
    """Have a key accepted no more; its streams end."""
    with place.controlling() as opened:
        opened.keys.revoke_key(key_id)
    click.echo(f"key {escape_unsafe(key_id)} is revoked")


@keys.command()
@server_place_options
@options.json_option("the key")
def whoami(place: ServerPlace, as_json: bool) -> None:
    """Show whose key this is, and what it may do."""
    with place.controlling() as opened:
        found = opened.keys.whoami()
    expires_at = to_rfc3339_or_none(found.expires_at)
    if as_json:
        click.echo(json.dumps({**asdict(found), "expires_at": expires_at}, indent=2))
        return
    tenant = "all tenants and the server" if found.is_god else f"tenant {found.tenant or 'public'}"
    until = "" if expires_at is None else f", until {format_instant(expires_at)}"
    click.echo(escape_unsafe(f"key {found.key_id} ({found.name}): {found.role} of {tenant}{until}"))


def _print_made(made: MadeApiKey, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({**_to_json(made.info), "key": made.key}, indent=2))
        return
    click.echo(made.key)
    click.echo(f"key {made.info.id} ({made.info.role}): it is not shown again", err=True)


def _row(one: ApiKeyInfo) -> tuple[str, ...]:
    tenant = "all" if one.is_god else one.tenant or "public"
    expires = "" if one.expires_at is None else f" until {format_instant(to_rfc3339_or_none(one.expires_at))}"
    return (
        escape_unsafe(one.id),
        escape_unsafe(one.name),
        one.role,
        escape_unsafe(tenant),
        "revoked" if one.revoked else f"accepted{expires}",
        format_instant(to_rfc3339_or_none(one.last_used_at)),
    )


def _to_json(one: ApiKeyInfo) -> dict[str, Any]:
    instants = ("created_at", "expires_at", "last_used_at")
    return {**asdict(one), **{name: to_rfc3339_or_none(getattr(one, name)) for name in instants}}
