"""Output of `holdwater dev`: a head, then a line for each change of the source and of runs, as they happen."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from holdwater.cli.commands import format_command
from holdwater.cli.formatting import escape_unsafe, first_line, format_duration, short_id, truncate
from holdwater.cli.places import DatabasePlace
from holdwater.drawing.marks import MARKS, MarkName
from holdwater.events.processor_events import RecordedError
from holdwater.events.processors import TypedEventProcessor

if TYPE_CHECKING:
    from holdwater.daemon.source_releases import SourceStatus
    from holdwater.events.types import InterruptEvent, NodeErrorEvent, RunEndEvent, RunStartEvent

COLOURS: Final[dict[MarkName, str]] = {
    "running": "cyan",
    "completed": "green",
    "failed": "red",
    "cancelled": "magenta",
    "paused": "yellow",
    "awaiting_input": "yellow",
    "waiting": "yellow",
}
INDENT: Final = " " * 10
"""below the time of a line"""
MAX_LISTED: Final = 5
"""workflows that are named"""
MAX_TRACEBACK_LINES: Final = 20
MAX_LINE_CHARS: Final = 300
MAX_FAILURES: Final = 10_000
"""runs whose failures are kept until they end"""
_FRAME: Final = re.compile(r'  File "(?P<file>.*?)", line (?P<rest>.*)')
_UNPACKED: Final = re.compile(r"(?:.*/releases/[0-9a-f]{64}/files/(?:workflow/)?|workflow/)(?P<path>.*)")
"""a file of the package: by its whole path in tracebacks of functions, from the folder of the package on in errors of
releases"""


class DevOutput:
    """Writes to stdout, from any thread.

    `package`: the name of what is served; `root`: the folder of its modules; `database`: its URL.
    """

    def __init__(self, package: str, root: Path, database: str) -> None:
        self._package, self._root, self._database = package, root, database
        self._lock = threading.Lock()
        self._has_shown_command = False
        self.runs: Final = RunLines(self)

    # -- the head and the end

    def show_start(self, path: str, link: str) -> None:
        """Say what is served, and where it can be looked at."""
        place = self._database.removeprefix("sqlite:///")
        self.write_lines(
            "",
            f"  {click.style('Holdwater dev', bold=True)}  {escape_unsafe(path)} as package {self._package}",
            "",
            f"  Web UI    {click.style(link, fg='cyan')}",
            f"  Database  {escape_unsafe(place)}, kept: runs go on when this is started again",
            f"  {click.style('Save a file to serve it.  Ctrl-C ends.', dim=True)}",
            "",
        )

    def show_draining(self, drain_seconds: float) -> None:
        """Say that it ends."""
        self.write_lines(
            f"draining: running functions have {format_duration(drain_seconds)} to end; Ctrl-C again ends them at once"
        )

    def show_end(self, command: str) -> None:
        """Say how it goes on."""
        self.write_lines(f"stopped; `{command}` goes on with what is open")

    # -- changes

    def show_status(self, status: SourceStatus) -> None:
        """Say what has become of a change of the source."""
        name = f"{self._package} {status.version}".strip()
        if status.error:
            stays = f"; new runs take {status.active}" if status.active else ""
            self.write_event("failed", f"{name} {'is broken' if status.version else 'cannot be read'}{stays}",
                             *self.lines_of(status.error))  # fmt: skip
            return
        names = [truncate(one, 60) for one in status.workflows[:MAX_LISTED]]
        more = len(status.workflows) - len(names)
        listed = ", ".join([*names, *([f"{more} more"] if more > 0 else [])]) or "no workflow"
        self.write_event("completed", f"{name} is active: {listed}")
        if status.workflows and not self._has_shown_command:
            self._has_shown_command = True
            command = format_command("submit", status.workflows[0], place=DatabasePlace(self._database))
            self.write_lines(f"{INDENT}Start a run: {click.style(command, bold=True)}")

    def lines_of(self, traceback: str) -> Sequence[str]:
        """Return the lines of a traceback that are about the source, with the places of its files there."""
        found: list[str] = []
        is_shown = True
        for line in traceback.rstrip().splitlines():
            frame = _FRAME.match(line)
            if frame is not None:
                inside = _UNPACKED.match(frame["file"])
                is_shown = inside is not None
                if inside is not None:
                    place = os.path.relpath(self._root / inside["path"])
                    line = f'  File "{place}", line {frame["rest"]}'
            elif not line.startswith(" "):
                is_shown = not line.endswith("Traceback (most recent call last):")
            if is_shown:
                found.append(escape_unsafe(line)[:MAX_LINE_CHARS])
        return found[-MAX_TRACEBACK_LINES:]

    def write_event(self, mark: MarkName, text: str, *details: str) -> None:
        """Write a line with the time and a mark, and further lines below it."""
        shown = click.style(_character(mark), fg=COLOURS.get(mark))
        at = click.style(time.strftime("%H:%M:%S"), dim=True)
        self.write_lines(f"{at}  {shown} {text}", *[f"{INDENT}{click.style(line, dim=True)}" for line in details])

    def write_lines(self, *lines: str) -> None:
        """Write lines that stay together."""
        with self._lock:
            click.echo("\n".join(lines))


class RunLines(TypedEventProcessor):
    """A line for the start and the end of each run, each failure that is tried again, and each question."""

    def __init__(self, output: DevOutput) -> None:
        self._output = output
        self._failures: dict[str, tuple[str, Sequence[str]]] = {}
        """run -> what failed in it last, until it ends"""

    def on_run_start(self, event: RunStartEvent) -> None:
        """Say that a run begins, or goes on."""
        if event.parent_span_id is None:
            self._output.write_event("running", f"{_run(event)} {'is taken up' if event.is_resume else 'started'}")

    def on_run_end(self, event: RunEndEvent) -> None:
        """Say how a run ended."""
        if event.parent_span_id is None:
            mark = _MARKS.get(event.status, "failed")
            said, lines = self._failures.pop(event.run_id, ("", ()))
            took = format_duration(event.duration_ms / 1000)
            self._output.write_event(mark, f"{_run(event)} {event.status} after {took}{said}", *lines)

    def on_node_error(self, event: NodeErrorEvent) -> None:
        """Say what failed and is tried again; what fails its run is told with its end."""
        text = f"{truncate(event.node_name, 60)}: {first_line(f'{event.error_type}: {event.error}', 200)}"
        lines = self._output.lines_of(_traceback_of(event.error))
        if event.will_retry:
            self._output.write_event("waiting", f"{_run(event)} tries again: {text}", *lines)
        elif len(self._failures) < MAX_FAILURES:
            self._failures[event.run_id] = (f": {text}", lines)

    def on_interrupt(self, event: InterruptEvent) -> None:
        """Say that a run waits for a person."""
        self._output.write_event("awaiting_input", f"{_run(event)} waits for {truncate(event.response_param, 60)}")


_MARKS: Final[dict[str, MarkName]] = {
    "completed": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
    "paused": "paused",
}


def _run(event: RunStartEvent | RunEndEvent | NodeErrorEvent | InterruptEvent) -> str:
    name = truncate(event.graph_name or event.workflow_id or "run", 60)
    return f"{click.style(name, bold=True)} {short_id(event.run_id)}"


def _traceback_of(error: BaseException) -> str:
    """Return the traceback of an error that was raised in another process, "" without one."""
    return error.traceback if isinstance(error, RecordedError) else ""


def _character(mark: MarkName) -> str:
    found = MARKS[mark]
    try:
        found.character.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return found.ascii
    return found.character
