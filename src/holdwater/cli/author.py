"""The author that the command line records with runs it starts and requests it makes."""

from __future__ import annotations

import getpass
from typing import Final

CLI: Final = "cli"


def cli_author() -> str:
    """Return `cli:USER` with the login name, or `cli` if there is none."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # no name for this user id (KeyError before Python 3.13)
        return CLI
    return f"{CLI}:{user}" if user.isprintable() and len(user) <= 200 else CLI
