"""Commands that speak to no server: the reason, and what to use instead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from holdwater.cli.options import GivenPlace

PLACE_OPTIONS: Final = ("--server", "--profile", "--api-key")
_EXECUTES: Final = "executes code on this machine"
_FILES: Final = "works on files of this machine"
_ITSELF: Final = "starts a server or a web UI itself"
_HOME: Final = "is about a process of this machine, found by its home"
_RAW: Final = "looks into a database itself"
_TEXT: Final = "needs no place of runs"
_PACKAGE: Final = "`holdwater package upload ARCHIVE` sends the archive to a server"
_SUBMIT: Final = "`holdwater submit WORKFLOW` starts a run on a server"
LOCAL_COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "demo": (_EXECUTES, _SUBMIT),
    "run": (_EXECUTES, _SUBMIT),
    "dev": (_EXECUTES, _PACKAGE),
    "worker": (_EXECUTES, "a server executes packages: " + _PACKAGE),
    "daemon": (_HOME, "`curl URL/health` asks a server"),
    "serve": (_ITSELF, "leave the server out"),
    "server": (_HOME, "`curl URL/health` and `curl URL/ready` ask a server elsewhere"),
    "ui": (_ITSELF, "a server has its web UI at URL/ui"),
    "secrets keygen": (_TEXT, "leave the server out"),
    "secrets rotate": (
        "encrypts with keys of this machine",
        "run it beside the server, with its database and its keys",
    ),
    "package new": (_FILES, _PACKAGE),
    "package build": (_FILES, _PACKAGE),
    "package inspect": (_FILES, _PACKAGE),
    "package keygen": (_FILES, "`holdwater package keys add NAME.pub` has a server accept the key"),
    "package sign": (_FILES, _PACKAGE),
    "package verify": (_FILES, _PACKAGE),
    "migrate": (_RAW, "`holdwater tenants upgrade` does it for the tenants of a server"),
    "verify": (_RAW, "`holdwater doctor` asks a server how it is"),
    "config": (_FILES, "`holdwater config profile set NAME` keeps a server by name"),
    "graph": (_EXECUTES, "`holdwater runs graph RUN` draws a run of a server"),
    "help": (_TEXT, "leave the server out"),
}
"""a command, or all below it -> why it speaks to no server, and what to use instead"""


def find_reason(words: Sequence[str]) -> tuple[str, str] | None:
    """Return why a command speaks to no server, and what to use instead; None for one that does."""
    return LOCAL_COMMANDS.get(words[0]) or LOCAL_COMMANDS.get(" ".join(words[:2])) if words else None


def check_takes_server(group: click.Group, words: Sequence[str], given: GivenPlace) -> None:
    """Check that a command takes the server that is named before it.  Raises UsageError."""
    if given.server is None and given.profile is None and given.api_key is None:
        return
    path: list[str] = []
    command: click.Command | None = group
    for word in words:
        if not isinstance(command, click.Group) or word.startswith("-"):
            break
        command = command.get_command(click.Context(command), word)
        path.append(word)
    reason = find_reason(path)
    if reason is not None and command is not None and "server" not in {one.name for one in command.params}:
        raise click.UsageError(explain(path, reason))


def explain_option(error: click.ClickException) -> str:
    """Return the text of an error about an option that names a server, for a command that takes none; "" for others."""
    context = getattr(error, "ctx", None)
    if not isinstance(error, click.NoSuchOption) or error.option_name not in PLACE_OPTIONS or context is None:
        return ""
    path = context.command_path.split()[1:]
    reason = find_reason(path)
    return "" if reason is None else explain(path, reason)


def explain(path: Sequence[str], reason: tuple[str, str]) -> str:
    """Return the reason as one line, and what to use instead as the other."""
    return f"{' '.join(path)} takes no server: it {reason[0]}\n  {reason[1]}"
