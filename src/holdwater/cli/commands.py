"""Commands that messages name as the next step, complete, so that they can be copied."""

from __future__ import annotations

import os
import re
import shlex
from typing import Final

from holdwater.cli.formatting import escape_unsafe
from holdwater.cli.options import DATABASE_VARIABLE, DEFAULT_DATABASE

_COMMAND_WITHOUT_DATABASE: Final = re.compile(
    r"`holdwater ((?:runs|schedules|questions|verify|doctor|ui|worker|submit)\b(?:(?!--database)[^`])*)`"
)


def format_command(*words: str, database: str) -> str:
    """`holdwater WORDS... --database URL`, quoted for a shell, without the password; no URL where it is the default."""
    from holdwater.storage.urls import mask_password

    if words[:1] == ("demo",):  # its directory is its database
        return escape_unsafe(shlex.join(["holdwater", *words]))
    is_default = database == DEFAULT_DATABASE and not os.environ.get(DATABASE_VARIABLE)
    where = [] if is_default else ["--database", mask_password(database)]
    return escape_unsafe(shlex.join(["holdwater", *words, *where]))


def complete_commands(text: str, database: str) -> str:
    """Add `--database URL` to the commands in a text that read a database and do not name it; "": to none."""

    def complete(found: re.Match[str]) -> str:
        return f"`{format_command(*shlex.split(found[1]), database=database)}`"

    return _COMMAND_WITHOUT_DATABASE.sub(complete, text) if database else text


def is_persistent(database: str) -> bool:
    """Return True if another command can open the database."""
    from holdwater.storage.urls import parse_url

    where = parse_url(database)
    return where.dialect == "postgresql" or where.path is not None
