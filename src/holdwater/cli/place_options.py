"""Options that name a place of runs: a database, or a tenant of a server; each once for all commands."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

import click

from holdwater.cli.options import (
    DATABASE_VARIABLE,
    DEFAULT_DATABASE,
    PROFILE_VARIABLE,
    SERVER_VARIABLE,
    CliState,
    GivenPlace,
    database_place,
)
from holdwater.cli.places import DatabasePlace, Place, ServerPlace

KEY_VARIABLE: Final = "HOLDWATER_API_KEY"
TENANT_VARIABLE: Final = "HOLDWATER_TENANT"

_DATABASE_OPTION: Final = click.option(
    "--database",
    metavar="URL",
    help="Where runs are recorded: sqlite:///relative.db or sqlite:////absolute.db.  "
    f"[env var: {DATABASE_VARIABLE}; default: {DEFAULT_DATABASE}]",
)
_SERVER_OPTIONS: Final = (
    click.option("--server", metavar="URL", help=f"In place of a database: a server.  [env var: {SERVER_VARIABLE}]"),
    click.option(
        "--api-key",
        metavar="KEY|env:NAME|file:PATH",
        help=f"The key of the server, or where it is.  [env var: {KEY_VARIABLE}]",
    ),
    click.option("--tenant", metavar="NAME", help=f"Of the server.  [env var: {TENANT_VARIABLE}; default: public]"),
    click.option("--profile", metavar="NAME", help=f"Server, key and tenant by name.  [env var: {PROFILE_VARIABLE}]"),
)


def server_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Declare the options that name a server."""
    for option in reversed(_SERVER_OPTIONS):
        function = option(function)
    return function


def place_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Declare the options that name a place, which the function gets as `place`."""
    return _DATABASE_OPTION(server_options(_with_place(function)))


def server_place_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Declare the options that name a server, which the function gets as `place`: it is no command for databases."""

    def check(place: Place) -> Place:
        if not place.is_server:
            raise click.UsageError(f"name a server: --server URL, {SERVER_VARIABLE} or --profile")
        return place

    return server_options(_with_place(function, check))


def _with_place(
    function: Callable[..., Any], check: Callable[[Place], Place] = lambda place: place
) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        given = GivenPlace(**{one.name: options.pop(one.name, None) for one in fields(GivenPlace)})
        return function(*args, place=check(note_place(given)), **options)

    return call


def names_server(words: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Return True if a command line that cannot be read is meant for a server."""
    named = any(word.partition("=")[0] in ("--server", "--profile") for word in words)
    return named or bool(environment.get(SERVER_VARIABLE))


def note_place(given: GivenPlace) -> Place:
    """Return the place that options mean, and keep it for the hints of errors.  Raises UsageError, ConfigError."""
    state = click.get_current_context().find_object(CliState)
    place = resolve_place(given if state is None else given.or_else(state.given_place or GivenPlace()), os.environ)
    if state is not None:
        state.place = place
    return place


def note_server(given: GivenPlace) -> ServerPlace | None:
    """Return the server that options mean, and keep it for the hints of errors; None: it is a database.

    Raises UsageError, ConfigError.
    """
    state = click.get_current_context().find_object(CliState)
    named = given if state is None else given.or_else(state.given_place or GivenPlace())
    server = resolve_server(named, os.environ)
    if state is not None and server is not None:
        state.place = server
    return server


def resolve_place(given: GivenPlace, environment: Mapping[str, str]) -> Place:
    """Return the place that is meant: by options, else by the environment, else by the current profile.

    Raises UsageError for a database and a server together, ConfigError for a profile that is not there.
    """
    server = resolve_server(given, environment)
    if server is not None:
        return server
    if given.database is not None:
        return database_place(given.database)
    return _database_place(given, environment.get(DATABASE_VARIABLE, "") or DEFAULT_DATABASE)


def resolve_server(given: GivenPlace, environment: Mapping[str, str]) -> ServerPlace | None:
    """Return the server that is meant; None: it is a database.  Raises UsageError, ConfigError."""
    if given.database is not None:
        if any(value is not None for value in (given.server, given.api_key, given.tenant, given.profile)):
            raise click.UsageError("--database is one place, and a server (--server, --profile) another: name one")
        return None
    if given.server is not None and given.profile is not None:
        raise click.UsageError("--server and --profile both name a server: give one")
    server, database = environment.get(SERVER_VARIABLE, ""), environment.get(DATABASE_VARIABLE, "")
    if given.server is None and given.profile is None:
        if server and database:
            raise click.UsageError(
                f"{SERVER_VARIABLE} and {DATABASE_VARIABLE} name two places: give --server or --database"
            )
        if database:
            return None
    key, tenant = environment.get(KEY_VARIABLE, ""), environment.get(TENANT_VARIABLE, "")
    if given.server is not None or (server and given.profile is None):
        return ServerPlace(given.server or server, given.api_key or key, given.tenant or tenant)
    name = given.profile or environment.get(PROFILE_VARIABLE, "") or _current_profile()
    return _profile_place(name, given, key, tenant) if name else None


def _database_place(given: GivenPlace, url: str) -> DatabasePlace:
    if given.api_key is not None or given.tenant is not None:
        raise click.UsageError("--api-key and --tenant go with a server: --server URL or --profile NAME")
    return database_place(url)


def _profile_place(name: str, given: GivenPlace, key: str, tenant: str) -> ServerPlace:
    from holdwater.service.client_profiles import read_profiles
    from holdwater.service.config_file import resolve_home

    found = read_profiles(resolve_home(None)).get(name)
    is_changed = given.api_key is not None or given.tenant is not None
    return ServerPlace(
        found.server,
        given.api_key or found.api_key or key,
        given.tenant or found.tenant or tenant,
        "" if is_changed else name,
    )


def _current_profile() -> str:
    from holdwater.service.config_file import CONFIG_NAME, resolve_home

    home = resolve_home(None)
    if not (home / CONFIG_NAME).exists():
        return ""
    from holdwater.service.client_profiles import read_profiles

    return read_profiles(home).current
