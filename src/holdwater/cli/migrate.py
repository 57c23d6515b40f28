"""`holdwater migrate`: upgrading the tables of a database."""

from __future__ import annotations

import click

from holdwater.cli import options
from holdwater.cli.formatting import pluralize


@click.command()
@options.database_option
@click.option("--create", is_flag=True, help="Make the tables if there are none.")
def migrate(database: str, create: bool) -> None:
    """Upgrade the tables of a database to those of this version.

    A runner does the same when it starts.  Runners of the version before go on beside it, unless CHANGELOG says
    otherwise.
    """
    from holdwater.operations.migration import migrate_database

    applied = migrate_database(database, create=create)
    click.echo(f"{pluralize(len(applied), 'migration')} applied, the latest is {applied[-1]}")
