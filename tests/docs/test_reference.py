"""The reference tables of the documentation have every option, command and method there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from holdwater import DefaultRunner, DefaultRunnerConfig, WorkflowRunner, WorkflowRunnerConfig
from holdwater.cli.main import cli
from holdwater.service import declared_options

DOCS = Path(__file__).parents[2] / "docs"


def read_page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def iter_commands(group: click.Group, *path: str) -> Iterator[tuple[str, click.Command]]:
    """All commands behind a group, with their names as they are typed."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from iter_commands(command, *path, name)
        else:
            yield " ".join([*path, name]), command


@pytest.mark.parametrize(("name", "command"), [pytest.param(*one, id=one[0]) for one in iter_commands(cli)])
def test_every_command_and_option(name: str, command: click.Command) -> None:
    text = read_page("reference/cli.md")
    assert re.search(rf"\b{re.escape(name.split()[-1])}\b", text)
    options = {option for one in command.params for option in one.opts if option.startswith("--")}
    # those of a password for a role of a tenant are on the page of tenants
    assert not {option for option in options if option not in text + read_page("guides/tenants.md")}


def test_every_option_of_runners() -> None:
    assert not [name for name in DefaultRunnerConfig().to_dict() if f"`{name}`" not in read_page("reference/runner.md")]
    assert not [name for name in vars(WorkflowRunnerConfig()) if f"`{name}`" not in read_page("reference/steps.md")]


def test_every_setting_of_the_daemon() -> None:
    text = read_page("guides/daemon.md")
    server = [*declared_options.SERVER_OPTIONS.values(), *declared_options.CLIENT_OPTIONS]
    options = [one for one in declared_options.ALL_OPTIONS if one not in server]
    assert not [one.path for one in options if f"`{one.path}`{'*' if one.needs_restart else ''}" not in text]


def test_every_setting_of_the_server() -> None:
    text = read_page("guides/server.md")
    assert not [one.path for one in declared_options.SERVER_OPTIONS.values() if f"`{one.path}`" not in text]


@pytest.mark.parametrize("runner", [DefaultRunner, WorkflowRunner])
def test_every_method_of_runners(runner: type) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md"))
    assert not [name for name in vars(runner) if not name.startswith("_") and not re.search(rf"\b{name}\b", text)]
