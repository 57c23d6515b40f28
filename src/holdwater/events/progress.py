"""Progress on standard error: bars that move on a terminal or in a notebook, elsewhere a line per milestone."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Final, TextIO

from holdwater.events.processors import EventProcessor
from holdwater.events.progress_bars import Bar, ProgressTree
from holdwater.events.types import BaseEvent

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table

MILESTONES_PERCENT: Final = (10, 25, 50, 75, 100)
MAX_BARS: Final = 24
_STATUS_MARKS: Final = {
    "running": ("", "cyan"),
    "completed": ("✓", "green"),
    "failed": ("✗", "red"),
    "paused": ("⏸", "yellow"),
}


class RichProgressProcessor(EventProcessor):
    """One bar per run, and below it one per nested graph and map; loops show how often they called a node.

    `interactive` None: bars if `stream` (standard error by default) is a terminal or this is a notebook, else lines.
    """

    def __init__(self, *, stream: TextIO | None = None, interactive: bool | None = None) -> None:
        self._stream = stream
        self._interactive = interactive
        self._display: _LiveDisplay | _LineDisplay | None = None
        self._progress = ProgressTree()
        # A processor may hear several runs at once, each of them through a dispatcher of its own.
        self._lock = threading.RLock()

    def on_event(self, event: BaseEvent) -> None:
        with self._lock:
            root = self._progress.update(event)
            if root is None:
                return
            if self._display is None:
                self._display = self._make_display()
            if root.ended is None:
                self._display.update(root)
            else:
                self._display.finish(root)

    def shutdown(self) -> None:
        with self._lock:
            if self._display is not None:
                self._display.close()
                self._display = None

    def _make_display(self) -> _LiveDisplay | _LineDisplay:
        stream = sys.stderr if self._stream is None else self._stream
        interactive = self._interactive
        if interactive is None:
            interactive = stream.isatty() or _in_notebook()
        return _LiveDisplay(self._progress, stream) if interactive else _LineDisplay(stream)


ProgressBar = RichProgressProcessor


class _LineDisplay:
    """A line when an outermost run passes a milestone, and one when it does not get to the last."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last_milestones: dict[Bar, int] = {}

    def update(self, root: Bar) -> None:
        if not root.total:
            return
        percent = 100 * root.done // root.total
        passed = max((milestone for milestone in MILESTONES_PERCENT if milestone <= percent), default=0)
        if passed > self._last_milestones.get(root, 0):
            self._last_milestones[root] = passed
            self._write(f"{root.label}: {percent} % ({format_progress(root)})")

    def finish(self, root: Bar) -> None:
        passed = self._last_milestones.pop(root, 0)
        if root.status != "completed":
            because = f", {root.last_error}" if root.last_error else ""
            self._write(f"{root.label}: {root.status} after {format_progress(root)}{because}")
        elif passed < MILESTONES_PERCENT[-1]:
            self._write(f"{root.label}: {MILESTONES_PERCENT[-1]} % ({format_progress(root)})")

    def close(self) -> None:
        self._last_milestones.clear()

    def _write(self, line: str) -> None:
        print(line.replace("\n", " "), file=self._stream, flush=True)


class _LiveDisplay:
    """Redrawn a few times a second by a thread of rich, from the bars as they are then."""

    def __init__(self, progress: ProgressTree, stream: TextIO) -> None:
        from rich.console import Console

        self._progress = progress
        self._console: Console = Console(file=stream, highlight=False, emoji=False, markup=False)
        self._live: Live | None = None
        self._finished: list[Bar] = []

    def update(self, root: Bar) -> None:
        if self._live is None:
            from rich.live import Live

            self._live = Live(
                console=self._console,
                get_renderable=self._render_table,
                refresh_per_second=8,
                redirect_stdout=sys.stdout.isatty(),  # what goes to a pipe must get there
            )
            self._live.start()

    def finish(self, root: Bar) -> None:
        self._finished.append(root)
        if not self._progress.roots:
            self.close()

    def close(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.stop()
        self._finished.clear()

    def _render_table(self) -> Table:
        from rich.progress_bar import ProgressBar as RichBar
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 1))
        # Without a lock: this is called under rich's, which stop() wants while the processor holds its own.
        bars = [bar for root in (*self._finished, *self._progress.roots) for bar in root.walk()]
        now = time.time()
        for bar in bars[:MAX_BARS]:
            mark, style = _STATUS_MARKS.get(bar.status, ("", "dim"))
            table.add_row(
                Text("  " * bar.depth + bar.label, no_wrap=True, overflow="ellipsis"),
                RichBar(
                    total=bar.total or (1 if bar.ended else None),
                    completed=bar.done if bar.total else 0,
                    width=30,
                    complete_style="red" if bar.failed else "cyan",
                ),
                Text(format_progress(bar)),
                Text(f"{(bar.ended or now) - (bar.started or now):.1f} s", style="dim"),
                Text(mark, style=style),
            )
        if len(bars) > MAX_BARS:
            table.add_row(Text(f"and {len(bars) - MAX_BARS} more", style="dim"))
        return table


def format_progress(bar: Bar) -> str:
    """`3/10 nodes`, with the calls of loops and the failures where there are any."""
    total = "" if bar.total is None else f"/{bar.total}"
    text = f"{bar.done}{total} {bar.unit}"
    if bar.calls > bar.done:
        text += f", {bar.calls} calls"
    if bar.failed:
        text += f", {bar.failed} failed"
    return text


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"
