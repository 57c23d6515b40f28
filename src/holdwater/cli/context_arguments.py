"""Contexts as they are given on the command line."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from holdwater.cli.exit_codes import CommandError
from holdwater.cli.formatting import truncate

if TYPE_CHECKING:
    from holdwater.tasks import Context

_HINT: Final = """write a JSON object ('{"day": "monday"}'), a file that has one, or - for stdin"""


def read_context(argument: str | None) -> Context | None:
    """Parse the argument of `--context`: a JSON object, a file with one (with or without `@`), `-` for stdin.

    Raises CommandError for what cannot be read, or is no JSON object.
    """
    if argument is None:
        return None
    from holdwater.errors import DecodingError
    from holdwater.tasks import Context

    try:
        return Context.from_json(_read_text("--context", argument))
    except DecodingError as error:
        raise CommandError(f"--context {truncate(argument)}: {error.message}", hint=error.hint or _HINT) from error


def read_json_object(option: str, argument: str) -> dict[str, Any]:
    """Parse the argument of an option that is a JSON object, given in the same ways.  Raises CommandError."""
    try:
        found = json.loads(_read_text(option, argument))
    except ValueError as error:
        raise CommandError(f"{option} {truncate(argument)}: it is no JSON ({error})", hint=_HINT) from error
    if not isinstance(found, dict):
        raise CommandError(f"{option} {truncate(argument)}: it is no JSON object", hint=_HINT)
    return found


def _read_text(option: str, argument: str) -> str:
    try:
        if argument == "-":
            return sys.stdin.buffer.read().decode("utf-8-sig")
        if argument.startswith("@"):
            return Path(argument[1:]).read_text(encoding="utf-8-sig")
        if os.path.isfile(argument):
            return Path(argument).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CommandError(f"{option} {truncate(argument)} cannot be read: {error.strerror}", hint=_HINT) from error
    except ValueError as error:  # no UTF-8, or a name that no file can have
        raise CommandError(f"{option} {truncate(argument)} cannot be read: {error}", hint=_HINT) from error
    if argument.endswith(".json"):
        raise CommandError(f"{option} {truncate(argument)}: there is no such file", hint=_HINT)
    return argument
