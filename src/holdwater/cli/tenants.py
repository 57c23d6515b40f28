"""`holdwater tenants`: a schema and a role for each tenant, in a PostgreSQL database or by a server."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from holdwater.cli import exit_codes, options
from holdwater.cli.author import cli_author
from holdwater.cli.exit_codes import CommandError
from holdwater.cli.formatting import align_columns, escape_unsafe, first_line, format_instant, pluralize
from holdwater.cli.options import GivenPlace
from holdwater.cli.place_options import note_server, server_options
from holdwater.cli.places import ServerPlace
from holdwater.model.time import to_rfc3339_or_none

if TYPE_CHECKING:
    from holdwater.client.interface.tenants import TenantOfServer
    from holdwater.operations.tenants import TenantCredentials
    from holdwater.server.control.audit import AuditFacts
    from holdwater.server.tenant_administration import TenantAdministration


def _place_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Declare the options of a database and of a server; the function gets a server as `place`, None: a database."""

    @functools.wraps(function)
    def call(*args: Any, database: str | None, **rest: Any) -> Any:
        given = GivenPlace(**{one.name: rest.pop(one.name, None) for one in fields(GivenPlace)})
        named = replace(given, database=database)
        url = database or os.environ.get(options.DATABASE_VARIABLE)
        place = note_server(named)
        if place is None and not url:
            raise click.UsageError(f"name a database (--database, {options.DATABASE_VARIABLE}) or a server (--server)")
        return function(*args, database=url or "", place=place, **rest)

    return click.option(
        "--database",
        metavar="URL",
        help="The database, with a role that may create roles and schemas: postgresql://admin@host/database. "
        f"Its password can come from ~/.pgpass or $PGPASSWORD.  [env var: {options.DATABASE_VARIABLE}]",
    )(server_options(call))


@click.group()
def tenants() -> None:
    """Make and remove tenants of a PostgreSQL database, or of a server."""


@tenants.command("list")
@_place_options
@options.json_option("the tenants")
def list_(database: str, place: ServerPlace | None, as_json: bool) -> None:
    """List the tenants of a database, or of a server."""
    from holdwater.operations.tenants import DatabaseAdmin

    if place is not None:
        _list_served(place, as_json)
        return

    with DatabaseAdmin(database) as admin:
        found = admin.list_tenants()
    if as_json:
        click.echo(json.dumps([asdict(tenant) for tenant in found], indent=2))
        return
    if not found:
        click.echo("no tenants")
        return
    rows = [("SCHEMA", "USER", "TABLES", "SESSIONS")]
    rows += [(t.schema_name, t.username, t.state, str(t.sessions)) for t in found]
    for line in align_columns(rows):
        click.echo(line)


@tenants.command()
@click.argument("schema")
@_place_options
@click.option("--user", metavar="NAME", help="The tenant's role.  [default: as the schema]")
@click.option("--password-file", metavar="FILE", help="Take the password from the first line of a file, - for stdin.")
@click.option("--ask-password", is_flag=True, help="Ask for the password on the terminal.")
@options.json_option("the credentials")
def create(
    schema: str,
    database: str,
    place: ServerPlace | None,
    user: str | None,
    password_file: str | None,
    ask_password: bool,
    as_json: bool,
) -> None:
    """Make a tenant: the schema SCHEMA with the tables of runs, and a role that sees nothing else.

    Without --password-file and --ask-password a password is generated and printed, this once.
    """
    from holdwater.operations.tenants import DatabaseAdmin, TenantConfig

    if password_file is not None and ask_password:
        raise click.UsageError("--password-file and --ask-password are two passwords")
    given = _read_password(password_file) if password_file is not None else None
    if ask_password:
        given = click.prompt("password", hide_input=True, confirmation_prompt=True, err=True)
    if place is not None:
        with place.controlling() as opened:
            answer = opened.tenants.create_tenant(schema, username=user, password=given)
        data = {"schema_name": answer.name, "username": answer.username}
        _print_data(data if answer.password is None else data | {"password": answer.password}, as_json)
        return
    config = TenantConfig(schema, schema if user is None else user, given)
    with _administration(database) as administration, DatabaseAdmin(database) as admin:
        if administration is not None:  # so that it is served
            made = administration.create(config, "", _audit_facts())
        else:
            made = admin.create_tenant(config)
    _print_credentials(made, as_json, generated=given is None)


@tenants.command()
@click.argument("schema")
@_place_options
@click.option("--user", metavar="NAME", help="The tenant's role.  [default: as the schema]")
@click.option("--force", is_flag=True, help="End the sessions of the role first.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(schema: str, database: str, place: ServerPlace | None, user: str | None, force: bool, yes: bool) -> None:
    """Remove a tenant: the schema SCHEMA with all runs in it, and its role."""
    from holdwater.operations.tenants import DatabaseAdmin

    if not yes:
        if not sys.stdin.isatty():
            raise CommandError(f"removing tenant {schema!r} needs a confirmation at a terminal", hint="add --yes")
        click.confirm(f"Remove tenant {schema} with all its runs?", abort=True, err=True)
    if place is not None:
        with place.controlling() as opened:
            opened.tenants.remove_tenant(schema, force=force)
        click.echo(f"tenant {schema} is removed")
        return
    with _administration(database) as administration, DatabaseAdmin(database) as admin:
        row = None if administration is None else administration.find(schema)
        if administration is not None and row is not None and user in (None, row.username):
            administration.remove(schema, _audit_facts(), force=force)
        else:
            admin.remove_tenant(schema, schema if user is None else user, force=force)
    click.echo(f"tenant {schema} is removed")


@tenants.command()
@_place_options
@options.json_option("the schemas that were behind")
def upgrade(database: str, place: ServerPlace | None, as_json: bool) -> None:
    """Bring the tables of every tenant to this version's."""
    from holdwater.operations.tenants import DatabaseAdmin

    if place is not None:
        with place.controlling() as opened:
            names = [one.name for one in opened.tenants.list_tenants() if one.name != "public"]
            upgraded = [name for name in names if opened.tenants.upgrade_tenant(name)]
    else:
        with DatabaseAdmin(database) as admin:
            upgraded = admin.upgrade_tenants()
    if as_json:
        click.echo(json.dumps(upgraded, indent=2))
        return
    click.echo(
        f"{pluralize(len(upgraded), 'tenant')} brought up to date{': ' if upgraded else ''}{', '.join(upgraded)}"
    )


def _administration(database: str) -> AbstractContextManager[TenantAdministration | None]:
    """Open the tenants of the server of a database; None if it has none, or parts of the server are not installed."""
    from holdwater.operations.tenants import DatabaseAdmin

    with DatabaseAdmin(database) as admin:
        if not admin.has_server():
            return nullcontext()
    try:
        from holdwater.server.database_tenants import open_administration
    except ImportError as error:
        raise CommandError(
            f"a server serves this database, and {error.name} is not installed here",
            hint="pip install 'holdwater[server]', or name the server: --server URL",
        ) from error
    return open_administration(database)


def _audit_facts() -> AuditFacts:
    from holdwater.server.control.audit import AuditFacts

    return AuditFacts(cli_author())


def _read_password(name: str) -> str:
    """Read the first line of a file.  Raises CommandError."""
    try:
        text = sys.stdin.readline() if name == "-" else Path(name).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CommandError(f"there is no file {name}", code=exit_codes.NOT_FOUND) from None
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{name} cannot be read: {type(error).__name__}") from None
    password = text.split("\n", 1)[0].rstrip("\r")
    if not password:
        raise CommandError(f"{'stdin' if name == '-' else name} has no password in its first line")
    return password


def _print_credentials(credentials: TenantCredentials, as_json: bool, *, generated: bool) -> None:
    """Print the credentials.  `generated`: the password is shown, because it is stored nowhere; a given one is not."""
    data = {"schema_name": credentials.schema_name, "username": credentials.username}
    if generated:
        data |= {"password": credentials.password, "connection_string": credentials.connection_string}
    _print_data(data, as_json)


def _list_served(place: ServerPlace, as_json: bool) -> None:
    with place.controlling() as opened:
        found = opened.tenants.list_tenants()
    if as_json:
        click.echo(json.dumps([_to_json(one) for one in found], indent=2))
        return
    rows = [("TENANT", "USER", "CREATED", "BY", "DESCRIPTION")]
    for one in found:
        created = format_instant(to_rfc3339_or_none(one.created_at))
        rows.append((one.name, one.username, created, escape_unsafe(one.created_by), first_line(one.description, 60)))
    click.echo("\n".join(align_columns(rows)))


def _to_json(one: TenantOfServer) -> dict[str, Any]:
    return {**asdict(one), "created_at": to_rfc3339_or_none(one.created_at)}


def _print_data(data: dict[str, str], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(data, indent=2))
        return
    names = {"schema_name": "schema", "username": "user", "password": "password", "connection_string": "url"}
    for line in align_columns((names[key], value) for key, value in data.items()):
        click.echo(line)
    if "password" in data:
        click.echo("The password is not shown again.", err=True)
