"""Views of a run while it goes on: a table that is redrawn, or a line per change."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Final, Protocol

import click

from holdwater.cli.formatting import escape_unsafe, first_line, format_duration, pluralize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType
    from rich.table import Table

    from holdwater.runners.tasks.results import PipelineResult, TaskResult

FINISHED_STATUSES: Final = ("Completed", "Failed", "Skipped", "Cancelled")
_STYLES: Final = {
    "Running": "cyan",
    "Ready": "cyan",
    "Waiting": "yellow",
    "Completed": "green",
    "Failed": "red",
    "Skipped": "dim",
    "Pending": "dim",
    "Cancelled": "magenta",
}
_URGENCY: Final = {"Running": 0, "Waiting": 1, "Failed": 2, "Ready": 3, "Cancelled": 4, "Completed": 5, "Skipped": 6}
RECORDED_EARLIER: Final = "recorded earlier"
_NAME_WIDTH: Final = 40
_MIN_WIDTH: Final = 5
"""of a name and of an error, in cells of the terminal"""
_FIXED_COLUMNS_WIDTH: Final = 9 + 8 + 11 + 4 * 3 + 2
"""state, attempts and duration, what stands between columns, and the margins"""
_RESERVED_LINES: Final = 7
"""title, head of the table, margins, what is left out, and the prompt afterwards"""


class ProgressView(Protocol):
    """Shows a run as it goes on.

    `refresh_seconds`: the time after which it is to be shown again although nothing was recorded.
    """

    refresh_seconds: float

    def __enter__(self) -> ProgressView: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, run: PipelineResult) -> None:
        """Show the current state of the run."""
        ...


def choose_view(recorded: Mapping[str, str | None] = MappingProxyType({})) -> ProgressView:
    """Create the view that suits standard output.  `recorded`: the tasks that had ended before, and their ends."""
    if sys.stdout.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown"):
        return TableView(recorded)
    return LineView(recorded)


class SilentView:
    """For programs: nothing until the end."""

    refresh_seconds = 10.0

    def __enter__(self) -> SilentView:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def show(self, run: PipelineResult) -> None:
        pass


class LineView(SilentView):
    """For logs and pipes: one line per change of a task's state."""

    def __init__(self, recorded: Mapping[str, str | None] = MappingProxyType({})) -> None:
        """Show nothing yet.  `recorded`: as in `choose_view`."""
        self._recorded = recorded
        self._last_shown: dict[str, tuple[str, int, int]] = {}

    def show(self, run: PipelineResult) -> None:
        tasks = run.task_results
        width = min(40, max((len(t.task_name) for t in tasks), default=0))
        changed = [t for t in tasks if self._is_new(t)]
        for t in sorted(changed, key=lambda t: t.end_time or t.start_time or "~"):
            earlier = RECORDED_EARLIER if is_recorded(t, self._recorded) else ""
            details = ", ".join(filter(None, [describe_task(t), earlier]))
            click.echo(f"{escape_unsafe(t.task_name).ljust(width)}  {t.status:<9}  {details}".rstrip())

    def _is_new(self, task: TaskResult) -> bool:
        if task.status in ("Pending", "Ready"):
            return False
        now = (task.status, task.iterations, task.attempt_count)
        old = self._last_shown.get(task.task_name)
        self._last_shown[task.task_name] = now
        return old != now


class TableView:
    """For a terminal: a table, redrawn in its place; durations go on."""

    refresh_seconds = 0.5

    def __init__(self, recorded: Mapping[str, str | None] = MappingProxyType({})) -> None:
        """Show nothing yet.  `recorded`: as in `choose_view`."""
        from rich.console import Console
        from rich.live import Live

        self._recorded = recorded
        self._console = Console(highlight=False, emoji=False, markup=False)
        self._live = Live(console=self._console, auto_refresh=False)
        self._running_since: dict[str, float] = {}
        """task -> instant at which it was first seen running; the journal has the start only after its end"""

    def __enter__(self) -> TableView:
        from holdwater.runtime.logs import captured_streams

        self._live.__enter__()
        captured_streams.wrap_again()  # in front of the display, which shows what functions print above the table
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, run: PipelineResult) -> None:
        tasks = run.task_results
        now = time.monotonic()
        running = {t.task_name for t in tasks if t.status == "Running"}
        self._running_since = {name: self._running_since.get(name, now) for name in running}
        self._live.update(self._render(run, tasks, now), refresh=True)

    def _render(self, run: PipelineResult, tasks: Sequence[TaskResult], now: float) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        room = max(3, self._console.size.height - _RESERVED_LINES)
        shown = _select_most_relevant(tasks, room)
        settled = sum(t.status in FINISHED_STATUSES for t in tasks)
        title = (
            f"{escape_unsafe(run.workflow_name)}  {run.status}  {settled} of "
            f"{pluralize(len(tasks), 'task')}  run {run.run_id}"
        )
        parts: list[RenderableType] = [Text(title, style="bold", no_wrap=True, overflow="ellipsis")]
        parts.append(self._build_table(shown, now))
        if len(shown) < len(tasks):
            parts.append(Text(f"  and {pluralize(len(tasks) - len(shown), 'more task')}", style="dim"))
        return Group(*parts)

    def _build_table(self, tasks: Sequence[TaskResult], now: float) -> Table:
        from rich import box
        from rich.cells import cell_len
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        # A table that is too wide has all of its columns narrowed, down to nothing: names and errors get what is left.
        room = max(0, self._console.size.width - _FIXED_COLUMNS_WIDTH)
        longest = max((cell_len(escape_unsafe(t.task_name)) for t in tasks), default=0)
        name_width = max(_MIN_WIDTH, min(_NAME_WIDTH, longest, room - _MIN_WIDTH))
        error_width = max(_MIN_WIDTH, room - name_width)
        table.add_column("Task", no_wrap=True, overflow="ellipsis", max_width=name_width)
        table.add_column("State", no_wrap=True)
        table.add_column("Attempts", justify="right", no_wrap=True)
        table.add_column("Duration", justify="right", no_wrap=True)
        table.add_column("Error", no_wrap=True, overflow="ellipsis", max_width=error_width)
        for t in tasks:
            since = self._running_since.get(t.task_name)
            took = format_duration(t.duration if since is None else now - since)
            earlier = is_recorded(t, self._recorded)
            why = t.error_message or t.reason or (RECORDED_EARLIER if earlier else "")
            # Text, never markup: a user's "[red]" is four letters and two brackets
            table.add_row(
                Text(escape_unsafe(t.task_name)),
                Text(t.status, style="dim" if earlier else _STYLES.get(t.status, "")),
                str(t.attempt_count or ""),
                took,
                Text(first_line(why, 200)),
            )
        return table


def recorded_tasks(run: PipelineResult) -> dict[str, str | None]:
    """Return the tasks of a run that have ended, and their ends: what was recorded before the run goes on."""
    return {t.task_name: t.end_time for t in run.task_results if t.status in FINISHED_STATUSES}


def is_recorded(task: TaskResult, recorded: Mapping[str, str | None]) -> bool:
    """Return True if a task ended when it had ended before, and not again."""
    return task.status in FINISHED_STATUSES and recorded.get(task.task_name, "") == task.end_time


def describe_task(task: TaskResult) -> str:
    """Describe a task besides its name and state: duration, attempts, iterations, error, reason."""
    parts = []
    if task.status in FINISHED_STATUSES and task.duration is not None:
        parts.append(format_duration(task.duration))
    if task.attempt_count > 1 or (task.status == "Waiting" and task.attempt_count):
        parts.append(pluralize(task.attempt_count, "attempt"))
    if task.iterations > 1:
        parts.append(pluralize(task.iterations, "iteration"))
    if task.error_message:
        parts.append(first_line(task.error_message, 200))
    if task.reason:
        parts.append(first_line(task.reason, 200))
    return ", ".join(parts)


def _select_most_relevant(tasks: Sequence[TaskResult], max_rows: int) -> list[TaskResult]:
    """As many tasks as there is room for: what runs or went wrong before what is done or has not begun."""
    if len(tasks) <= max_rows:
        return list(tasks)
    # of what is done, the latest; of what has not begun, the first
    latest = sorted(range(len(tasks)), key=lambda i: tasks[i].end_time or "", reverse=True)
    best = sorted(latest, key=lambda i: (_URGENCY.get(tasks[i].status, 7), i if tasks[i].status == "Pending" else 0))
    return [tasks[i] for i in sorted(best[:max_rows])]
