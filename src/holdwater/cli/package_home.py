"""The place of packages: the database of a daemon, found by its home, or a tenant of a server."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

import click

from holdwater.cli import options
from holdwater.cli.options import GivenPlace
from holdwater.cli.place_options import note_server, server_options
from holdwater.cli.places import DatabasePlace, Place

if TYPE_CHECKING:
    from holdwater.client.backend import Backend, ReadableBackend


@dataclass(frozen=True, slots=True)
class HomePlace(Place):
    """The database of a daemon.  `database`: its URL, None: as its home says."""

    home: str | None
    database: str | None
    is_server: ClassVar[bool] = False

    @property
    def arguments(self) -> list[str]:
        named = [] if self.home is None else ["--home", self.home]
        return [*named, *([] if self.database is None else ["--database", self.database])]

    @contextmanager
    def reading(self) -> Iterator[ReadableBackend]:
        with self._open().reading() as opened:
            yield opened

    @contextmanager
    def writing(self, *, create: bool = False) -> Iterator[ReadableBackend]:
        with self._open(create=create).writing(create=create) as opened:
            yield opened

    @contextmanager
    def controlling(self) -> Iterator[Backend]:
        with self._open().controlling() as opened:
            yield opened

    def _open(self, *, create: bool = False) -> DatabasePlace:
        """Find the database.  `create`: create it, and the home, if there is none.

        Raises ConfigError, DaemonError for a home that cannot be used.
        """
        from holdwater.daemon.home import Home
        from holdwater.service.config_file import resolve_home
        from holdwater.service.settings import read_settings

        place = Home(resolve_home(self.home))
        url = self.database or read_settings(place.folder).database_url
        if not url:
            url = place.database_url
            if create:
                place.create()
                place.create_database()
        options.note_database(click.get_current_context(), None, url)
        return options.database_place(url)


def place_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Declare the options of a daemon's home and of a server, which the function gets as `place`."""

    @functools.wraps(function)
    def call(*args: Any, home: str | None, **rest: Any) -> Any:
        given = GivenPlace(**{one.name: rest.pop(one.name) for one in fields(GivenPlace)})
        return function(*args, place=_resolve(home, given), **rest)

    declared = click.option(
        "--database", metavar="URL", help="Database of the daemon.  [default: as the configuration of its home says]"
    )(server_options(call))
    return click.option(
        "--home", metavar="DIR", help="Home of the daemon.  [env var: HOLDWATER_HOME; default: ~/.holdwater]"
    )(declared)


def _resolve(home: str | None, given: GivenPlace) -> Place:
    """Return the server that is named, or the database of a home.  Raises UsageError, ConfigError."""
    if home is not None and any(value is not None for value in (given.server, given.profile)):
        raise click.UsageError("--home is that of a daemon, and a server (--server, --profile) another place: name one")
    server = None if home is not None else note_server(given)
    return server or HomePlace(home, given.database)
