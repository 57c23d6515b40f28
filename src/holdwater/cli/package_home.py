"""The database of a daemon, for commands about its packages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from holdwater.cli import options

if TYPE_CHECKING:
    from holdwater.operations.databases import Database


def place_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Declare `--home` and `--database`."""
    function = click.option(
        "--database", metavar="URL", help="Database of the daemon.  [default: as the configuration of its home says]"
    )(function)
    return click.option(
        "--home", metavar="DIR", help="Home of the daemon.  [env var: HOLDWATER_HOME; default: ~/.holdwater]"
    )(function)


@contextmanager
def open_home(
    home: str | None, database: str | None, *, writes: bool = False, create: bool = False
) -> Iterator[Database]:
    """Open the database of a daemon.  `create`: create it, and the home, if there is none.

    Raises DatabaseNotFound, ConfigError, StoreUnavailable, DaemonError for a home that cannot be used.
    """
    from holdwater.daemon.home import Home
    from holdwater.operations.databases import open_for_reading, open_for_writing
    from holdwater.service.config_file import resolve_home
    from holdwater.service.settings import read_settings

    place = Home(resolve_home(home))
    url = database or read_settings(place.folder).database_url
    if not url:
        url = place.database_url
        if create:
            place.create()
            place.create_database()
    options.note_database(click.get_current_context(), None, url)
    with open_for_writing(url, create=create) if writes else open_for_reading(url) as opened:
        yield opened
