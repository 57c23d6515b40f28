"""`holdwater tenants`: a schema and a role for each tenant of a PostgreSQL database."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from holdwater.cli import exit_codes, options
from holdwater.cli.exit_codes import CommandError
from holdwater.cli.formatting import align_columns, pluralize

if TYPE_CHECKING:
    from holdwater.operations.tenants import TenantCredentials

_database_option = click.option(
    "--database",
    metavar="URL",
    required=True,
    envvar=options.DATABASE_VARIABLE,
    show_envvar=True,
    help="The database, with a role that may create roles and schemas: postgresql://admin@host/database. "
    "Its password can come from ~/.pgpass or $PGPASSWORD.",
)


@click.group()
def tenants() -> None:
    """Make and remove tenants of a PostgreSQL database."""


@tenants.command("list")
@_database_option
@options.json_option("the tenants")
def list_(database: str, as_json: bool) -> None:
    """List the tenants of a database."""
    from dataclasses import asdict

    from holdwater.operations.tenants import DatabaseAdmin

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
@_database_option
@click.option("--user", metavar="NAME", help="The tenant's role.  [default: as the schema]")
@click.option("--password-file", metavar="FILE", help="Take the password from the first line of a file, - for stdin.")
@click.option("--ask-password", is_flag=True, help="Ask for the password on the terminal.")
@options.json_option("the credentials")
def create(
    schema: str, database: str, user: str | None, password_file: str | None, ask_password: bool, as_json: bool
) -> None:
    """Make a tenant: the schema SCHEMA with the tables of runs, and a role that sees nothing else.

    Without --password-file and --ask-password a password is generated and printed, this once.
    """
    from holdwater.operations.tenants import DatabaseAdmin, TenantConfig

    if password_file is not None and ask_password:
        raise click.UsageError("--password-file and --ask-password are two passwords")
    with DatabaseAdmin(database) as admin:
        given = _read_password(password_file) if password_file is not None else None
        if ask_password:
            given = click.prompt("password", hide_input=True, confirmation_prompt=True, err=True)
        made = admin.create_tenant(TenantConfig(schema, schema if user is None else user, given))
    _print_credentials(made, as_json, generated=given is None)


@tenants.command()
@click.argument("schema")
@_database_option
@click.option("--user", metavar="NAME", help="The tenant's role.  [default: as the schema]")
@click.option("--force", is_flag=True, help="End the sessions of the role first.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(schema: str, database: str, user: str | None, force: bool, yes: bool) -> None:
    """Remove a tenant: the schema SCHEMA with all runs in it, and its role."""
    from holdwater.operations.tenants import DatabaseAdmin

    with DatabaseAdmin(database) as admin:
        if not yes:
            if not sys.stdin.isatty():
                raise CommandError(f"removing tenant {schema!r} needs a confirmation at a terminal", hint="add --yes")
            click.confirm(f"Remove tenant {schema} with all its runs?", abort=True, err=True)
        admin.remove_tenant(schema, schema if user is None else user, force=force)
    click.echo(f"tenant {schema} is removed")


@tenants.command()
@_database_option
@options.json_option("the schemas that were behind")
def upgrade(database: str, as_json: bool) -> None:
    """Bring the tables of every tenant to this version's."""
    from holdwater.operations.tenants import DatabaseAdmin

    with DatabaseAdmin(database) as admin:
        upgraded = admin.upgrade_tenants()
    if as_json:
        click.echo(json.dumps(upgraded, indent=2))
        return
    click.echo(
        f"{pluralize(len(upgraded), 'tenant')} brought up to date{': ' if upgraded else ''}{', '.join(upgraded)}"
    )


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
    if as_json:
        click.echo(json.dumps(data, indent=2))
        return
    names = {"schema_name": "schema", "username": "user", "password": "password", "connection_string": "url"}
    for line in align_columns((names[key], value) for key, value in data.items()):
        click.echo(line)
    if generated:
        click.echo("The password is not shown again.", err=True)
