"""Options that several commands have."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, TypeVar

import click

from holdwater.cli.places import DatabasePlace, Place


@dataclass(frozen=True, slots=True)
class GivenPlace:
    """Options that name a place of runs, as they are given; None for those that are not."""

    database: str | None = None
    server: str | None = None
    api_key: str | None = field(default=None, repr=False)
    tenant: str | None = None
    profile: str | None = None

    def or_else(self, other: GivenPlace) -> GivenPlace:
        """Return these options, and those of another that are not among them."""
        own = {one.name: getattr(self, one.name) for one in fields(self)}
        return replace(other, **{name: value for name, value in own.items() if value is not None})


@dataclass(slots=True)
class CliState:
    """Words of the command line that errors need.

    `given_place`: as the options before the sub-command say.  `place`: that of the sub-command, None: it has none.
    """

    debug: bool = False
    given_place: GivenPlace | None = None
    place: Place | None = None


def is_debugging() -> bool:
    """Return True if the command line was called with `--debug`."""
    state = click.get_current_context().find_object(CliState)
    return state is not None and state.debug


_Function = TypeVar("_Function", bound="Callable[..., Any] | click.Command")

DEFAULT_DATABASE: Final = "sqlite:///holdwater.db"
DATABASE_VARIABLE: Final = "HOLDWATER_DATABASE"
SERVER_VARIABLE: Final = "HOLDWATER_SERVER"
PROFILE_VARIABLE: Final = "HOLDWATER_PROFILE"
PLACE_VARIABLES: Final = (DATABASE_VARIABLE, SERVER_VARIABLE, PROFILE_VARIABLE)


def note_database(ctx: click.Context, option: click.Parameter | None, url: str) -> str:
    """Keep the database of the sub-command for the hints of errors."""
    state = ctx.find_object(CliState)
    if state is not None:
        state.place = database_place(url)
    return url


def database_place(url: str) -> DatabasePlace:
    """Return a database as a place; the default needs no naming."""
    is_default = url == DEFAULT_DATABASE and not any(os.environ.get(name) for name in PLACE_VARIABLES)
    return DatabasePlace(url, is_default=is_default)


database_option = click.option(
    "--database",
    metavar="URL",
    default=DEFAULT_DATABASE,
    envvar=DATABASE_VARIABLE,
    show_default=True,
    show_envvar=True,
    callback=note_database,
    help="Where runs are recorded: sqlite:///relative.db or sqlite:////absolute.db.",
)


def json_option(subject: str) -> Callable[[_Function], _Function]:
    """Declare the option `--json`; it is eager, because other options depend on it."""
    return click.option("--json", "as_json", is_flag=True, is_eager=True, help=f"Print {subject} as JSON.")


def _require_json(ctx: click.Context, option: click.Parameter, typed: bool) -> bool:
    """`--typed` alone would change nothing, and look as if it did; the options before are read already."""
    if typed and not ctx.params.get("as_json"):
        raise click.UsageError("--typed goes with --json: it says how that writes values")
    return typed


typed_option = click.option(
    "--typed",
    is_flag=True,
    callback=_require_json,
    help="With --json: values exactly as they are stored, types tagged, in place of plain JSON.",
)
