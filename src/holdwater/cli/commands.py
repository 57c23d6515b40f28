"""Commands that messages name as the next step, complete, so that they can be copied."""

from __future__ import annotations

import re
import shlex
from typing import Final

from holdwater.cli.formatting import escape_unsafe
from holdwater.cli.places import DatabasePlace, Place

_COMMAND_WITHOUT_PLACE: Final = re.compile(
    r"`holdwater ((?:runs|schedules|questions|verify|doctor|ui|worker|submit|workflows|bulk|keys|tenants)\b"
    r"(?:(?!--database|--server|--profile)[^`])*)`"
)
_FOR_DATABASES: Final = ("worker", "run", "ui", "migrate")
"""commands that are of no use with a server"""


def format_command(*words: str, place: Place) -> str:
    """`holdwater WORDS... --database URL`, quoted for a shell, without any secret; no URL where it is the default.

    A server is named in the place of a database, but for commands that execute runs themselves.
    """
    names_no_place = words[:1] == ("demo",) or (place.is_server and words[0] in _FOR_DATABASES)
    return escape_unsafe(shlex.join(["holdwater", *words, *([] if names_no_place else place.arguments)]))


def complete_commands(text: str, place: Place | None) -> str:
    """Add `--database URL` to the commands in a text that need a place and do not name it; None: to none."""

    def complete(found: re.Match[str]) -> str:
        return f"`{format_command(*shlex.split(found[1]), place=place)}`" if place is not None else found[0]

    return _COMMAND_WITHOUT_PLACE.sub(complete, text)


def is_persistent(place: Place) -> bool:
    """Return True if another command can open the place."""
    from holdwater.storage.urls import parse_url

    if not isinstance(place, DatabasePlace):
        return True
    where = parse_url(place.url)
    return where.dialect == "postgresql" or where.path is not None
