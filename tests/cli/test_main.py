"""The command itself: help, version, errors."""

from __future__ import annotations

import os
import subprocess
import sys

import click
import pytest

from holdwater import __version__
from holdwater.cli import formatting
from holdwater.cli.main import COMMANDS, main
from tests.cli.conftest import Shell

HEAVY_MODULES = (
    "rich",
    "sqlite3",
    "asyncio",
    "holdwater.runners",
    "holdwater.engine",
    "holdwater.storage",
    "holdwater.tasks",
)


def test_help_lists_every_command(shell: Shell) -> None:
    done = shell.run_fresh("--help")
    assert done.returncode == 0
    for name, (_, line) in COMMANDS.items():
        assert name in done.stdout
        assert line in done.stdout
    assert "holdwater help exit-codes" in done.stdout


def test_the_help_of_commands_and_exit_codes(shell: Shell) -> None:
    assert "130  interrupted" in shell("help", "exit-codes").stdout
    assert shell("help", "runs", "list").stdout == shell("runs", "list", "--help").stdout
    assert shell("help").stdout == shell("--help").stdout
    assert "exit code" not in shell("runs", "list", "--help").stdout.lower()
    unknown = shell("help", "runs", "lists")
    assert unknown.returncode == 2
    assert "there is no command `holdwater runs lists`" in unknown.stderr


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_has_help(shell: Shell, command: str) -> None:
    done = shell(command, "--help")
    assert done.returncode == 0
    assert f"holdwater {command}" in done.stdout


def test_help_imports_nothing_heavy(shell: Shell) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "holdwater", "--help"],
        cwd=shell.home, env=shell.environment, capture_output=True, encoding="utf-8",
    )  # fmt: skip
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "click" in imported
    assert not imported.intersection(HEAVY_MODULES)


def test_help_answers_at_once(shell: Shell) -> None:
    """Less than 150 ms; processor time, so that a busy machine does not count."""
    took = []
    for _ in range(7):
        began = os.times()
        shell.run_fresh("--help")
        ended = os.times()
        took.append(ended.children_user - began.children_user + ended.children_system - began.children_system)
    assert min(took) < 0.15


def test_version(shell: Shell) -> None:
    done = shell.run_fresh("--version")
    assert (done.returncode, done.stdout) == (0, f"holdwater, version {__version__}\n")


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["run"], ["run", "flows", "--nonsense"], ["runs", "list", "--limit", "0"]]
)
def test_usage_errors_are_2(shell: Shell, arguments: list[str]) -> None:
    done = shell(*arguments)
    assert done.returncode == 2
    first, second = done.stderr.splitlines()
    assert first.startswith("error: ")
    assert second.startswith("  hint: holdwater ")
    assert second.endswith("--help")
    assert done.stdout == ""


def test_a_reader_that_goes_away_is_no_error_of_the_run(shell: Shell) -> None:
    process = shell.start("run", "flows:waits")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    shell.release_tasks()
    assert process.wait(timeout=30) == 141
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()


def test_an_error_of_our_own_is_70_and_short(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(COMMANDS, "graph", ("holdwater.cli.nowhere", "x"))
    assert main(["graph", "x"]) == 70
    said = capsys.readouterr().err
    assert said.startswith("error: ModuleNotFoundError")
    assert "Traceback" not in said
    assert main(["--debug", "graph", "x"]) == 70
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("plain äöü €", "plain äöü €"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x1b[31mred\x07\x9b", r"\x1b[31mred\x07\x9b"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\ud800", r"\ud800"),
    ],
)
def test_text_has_no_power_over_a_terminal(given: str, shown: str) -> None:
    assert formatting.escape_unsafe(given) == shown


def test_long_text_is_cut() -> None:
    assert formatting.truncate("x" * 200, 10) == "xxxxxxxxx…"
    assert formatting.truncate("x" * 10, 10) == "x" * 10
    assert len(formatting.truncate("\n" * 10, 10)) == 10


def test_durations() -> None:
    given = [None, 0.0004, 0.25, 1.5, 61, 3725]
    assert [formatting.format_duration(s) for s in given] == [
        "",
        "0.4 ms",
        "250 ms",
        "1.50 s",
        "1 min 01 s",
        "1 h 02 min",
    ]


def test_columns_with_colours_stand_below_each_other() -> None:
    rows = [("STATE", "NAME"), (click.style("ok", fg="green"), "a"), ("broken", "b")]
    assert [click.unstyle(line) for line in formatting.align_columns(rows)] == [
        "STATE   NAME",
        "ok      a",
        "broken  b",
    ]
