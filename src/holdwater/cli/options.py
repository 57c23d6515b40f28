"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import click


@dataclass(slots=True)
class CliState:
    """Words of the command line that errors need.  `database`: that of the sub-command; "": it has none."""

    debug: bool = False
    database: str = ""


def is_debugging() -> bool:
    """Return True if the command line was called with `--debug`."""
    state = click.get_current_context().find_object(CliState)
    return state is not None and state.debug


_Function = TypeVar("_Function", bound="Callable[..., Any] | click.Command")

DEFAULT_DATABASE: Final = "sqlite:///holdwater.db"
DATABASE_VARIABLE: Final = "HOLDWATER_DATABASE"


def note_database(ctx: click.Context, option: click.Parameter | None, url: str) -> str:
    """Keep the database of the sub-command for the hints of errors."""
    state = ctx.find_object(CliState)
    if state is not None:
        state.database = url
    return url


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
