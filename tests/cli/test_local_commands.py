"""Every command takes a server, or says why not and what to use instead."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from holdwater.cli.local_commands import LOCAL_COMMANDS, find_reason
from holdwater.cli.main import cli, main
from holdwater.server.command_lines import REMOTE_COMMANDS


def iter_commands(
    command: click.Command, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that is no group, with its words."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from iter_commands(found, (*path, name))


COMMANDS = dict(iter_commands(cli))
REMOTE = {path for path, command in COMMANDS.items() if "server" in {one.name for one in command.params}}
LOCAL = sorted(COMMANDS.keys() - REMOTE)


def test_every_command_is_in_one_of_the_two_lists() -> None:
    assert [path for path in LOCAL if find_reason(path) is None] == []
    used = {name for path in LOCAL for name in (path[0], " ".join(path[:2])) if name in LOCAL_COMMANDS}
    assert used == LOCAL_COMMANDS.keys()
    assert {path[0] for path in REMOTE} - {"config"} == REMOTE_COMMANDS  # `config profile set` notes a server


@pytest.mark.parametrize("path", LOCAL, ids=" ".join)
def test_a_command_without_a_server_says_what_to_use_instead(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    reason = find_reason(path)
    assert reason is not None
    for words in ((*path, "--server", "http://127.0.0.1:1"), ("--server", "http://127.0.0.1:1", *path)):
        assert main(words) == 1  # usage, of a command for a server
        told = capsys.readouterr().err
        assert f"takes no server: it {reason[0]}" in told
        assert reason[1] in told
