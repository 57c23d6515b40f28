"""The live view, on a pseudo-terminal."""

from __future__ import annotations

import os
import re
import sys
import threading
from datetime import timedelta

import pytest

from holdwater.cli import live_view
from holdwater.runners.tasks.results import TaskResult
from tests.cli.conftest import Shell

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")


class Screen:
    """A terminal that keeps all it was told."""

    def __init__(self, rows: int = 24, columns: int = 100) -> None:
        import fcntl
        import pty
        import struct
        import termios

        self.output = ""
        self._changed = threading.Condition()
        self._is_closed = False
        self._master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:  # the other side is closed
                data = b""
            with self._changed:
                self.output += data.decode("utf-8", "replace")
                self._is_closed = not data
                self._changed.notify_all()
            if not data:
                return

    def wait_for(self, text: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: re.search(text, self.output) or self._is_closed, 20), self.output
            assert re.search(text, self.output), self.output

    def close(self) -> str:
        os.close(self.slave)
        self._reader.join(60)
        os.close(self._master)
        return self.output


def test_the_table_is_drawn_and_redrawn(shell: Shell) -> None:
    screen = Screen()
    shell.environment["TERM"] = "xterm-256color"
    process = shell.start("run", "flows:waits", stdout=screen.slave)
    screen.wait_for("two.*Running")
    shell.release_tasks()
    assert process.wait(60) == 0
    seen = screen.close()
    for word in ("Task", "State", "Attempts", "Duration", "Error", "Pending", "Completed after"):
        assert word in seen
    assert "\x1b[1A" in seen, "the cursor never went up"
    assert re.search("3 of 3 tasks", seen)


def test_a_users_text_cannot_command_the_terminal(shell: Shell) -> None:
    screen = Screen()
    shell.environment["TERM"] = "xterm-256color"
    assert shell.start("run", "flows:fails", stdout=screen.slave).wait(60) == 1
    seen = screen.close()
    assert "[red]luck[/red]" in seen
    assert r"\x1b]0;owned\x07" in seen
    assert "\x1b]0" not in seen


def test_a_terminal_that_cannot_redraw_gets_lines(shell: Shell) -> None:
    screen = Screen()
    shell.environment["TERM"] = "dumb"
    assert shell.start("run", "flows:sums", stdout=screen.slave).wait(60) == 0
    seen = screen.close()
    assert "\x1b" not in seen
    assert "second  Completed" in seen


@pytest.mark.parametrize(
    ("columns", "shown", "hidden"),
    [(72, ["STARTED"], ["ENDED", "BY", "LABELS"]), (100, ["ENDED"], ["LABELS"]), (200, ["ENDED", "BY", "LABELS"], [])],
)
def test_a_list_has_the_columns_that_fit(shell: Shell, columns: int, shown: list[str], hidden: list[str]) -> None:
    shell("run", "flows:fails", "--label", "customer=acme", "--label", "env=prod")
    screen = Screen(columns=columns)
    assert shell.start("runs", "list", stdout=screen.slave).wait(60) == 0
    header, run, *_ = screen.close().splitlines()
    assert all(name in header for name in shown)
    assert not any(name in header for name in hidden)
    assert len(run) <= columns
    assert "broken: " in run, "some of the error is always there"


def test_many_tasks_are_cut_to_those_that_matter() -> None:
    def made(k: int, status: str) -> TaskResult:
        end = f"2026-01-01T00:00:{k:02d}" if status == "Completed" else None
        return TaskResult(f"t{k}", status, None, end, timedelta(0), 0, None)

    tasks = [made(k, "Completed") for k in range(20)] + [made(20, "Failed"), made(21, "Running")]
    tasks += [made(k, "Pending") for k in range(22, 50)]
    assert [t.task_name for t in live_view._select_most_relevant(tasks, 5)] == ["t17", "t18", "t19", "t20", "t21"]
    assert [t.task_name for t in live_view._select_most_relevant(tasks, 24)][-2:] == ["t22", "t23"]
    assert live_view._select_most_relevant(tasks, 50) == tasks


@pytest.mark.parametrize("width", [60, 80, 100, 200])
@pytest.mark.parametrize("error", ["", "short", "a long error " * 40, "several\nlines " * 40])
@pytest.mark.parametrize("name", ["t", "a task of fifteen", "n" * 100, "名" * 30])
def test_a_long_error_leaves_room_for_the_other_columns(width: int, error: str, name: str) -> None:
    from io import StringIO

    from rich.console import Console

    view, out = live_view.TableView(), StringIO()
    view._console = Console(file=out, width=width)
    shown = [TaskResult(name, "Completed", None, None, timedelta(minutes=61), 10, error or None)]
    view._console.print(view._build_table(shown, 0.0))
    said = out.getvalue()
    assert all(len(line) <= width for line in said.splitlines()), said
    for word in ("Task", "State", "Attempts", "Duration", "Error", "Completed", " 10 ", "1 h 01 min"):
        assert word in said, said
