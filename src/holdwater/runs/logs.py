"""The log of a run as people read it: what its task functions printed and logged, with the failures of attempts.

A traceback of a failed attempt is in the journal, and nowhere else; it is put between the lines by its instant.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal

from holdwater.errors import InvalidArgument
from holdwater.model.logs import LogRow
from holdwater.model.time import Micros
from holdwater.runs.nodes import AttemptView, NodeView
from holdwater.runs.reader import RunReader
from holdwater.runs.view import RunView

PAGE_ROWS: Final = 1000
"""rows that are read at once"""
MAX_PAGE_LINES: Final = 5000
LAST_INSTANT: Final = Micros((1 << 63) - 1)
_CURSOR: Final = re.compile(r"(\d{1,15})\.(\d{1,15})", re.ASCII)
_ANSI_SEQUENCES: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_Place = tuple[int, int]
"""the number of the last line, and the number of the last journal entry"""

LineStream = Literal["stdout", "stderr", "log", "traceback", "notice"]


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of the log of a run.

    `cursor`: its place, to read on behind it.  `attempt`: from 1, within `iteration`, from 1 too.  `at`: microseconds
    since the epoch.  `stream`: "stdout" or "stderr"; "log", a log record, with the names of its `level` and `logger`,
    whose text may have several lines; "traceback", the error of a failed attempt; "notice", the log about itself: where
    it is cut, how many lines are missing.
    """

    cursor: str
    node: str
    attempt: int
    iteration: int
    at: Micros
    stream: LineStream
    text: str
    level: str | None = None
    logger: str | None = None

    @property
    def plain_text(self) -> str:
        """The text without terminal sequences (colours, cursor movements)."""
        return _ANSI_SEQUENCES.sub("", self.text) if "\x1b" in self.text else self.text


@dataclass(frozen=True, slots=True)
class LogPage:
    """Lines in order.  `cursor`: the place behind them, which later lines are read from; `has_more`: there are some."""

    lines: tuple[LogLine, ...]
    cursor: str
    has_more: bool


@dataclass(frozen=True, slots=True)
class _Failure:
    """An attempt that has failed.  `entry`: the journal entry that says so; `at`: its instant."""

    entry: int
    at: Micros
    node: str
    attempt: AttemptView

    def to_line(self, line: int) -> LogLine:
        """`line`: number of the line before it."""
        attempt = self.attempt
        text = attempt.traceback or attempt.error or ""
        place = _cursor((line, self.entry))
        return LogLine(place, self.node, attempt.number, attempt.iteration, self.at, "traceback", text)


class LogReader:
    """Reads the log of one run, page by page.  The view of the run is read again when its journal has grown."""

    def __init__(self, runs: RunReader, run_id: str, node: str | None = None, attempt: int | None = None) -> None:
        """`node`, `attempt`: only lines of these.  Raises RunNotFound, TaskNotFound, StoreError."""
        self._runs, self._run_id, self._node, self._attempt = runs, run_id, node, attempt
        self._failures_until = LAST_INSTANT
        self._take_in(runs.view(run_id))

    @property
    def run(self) -> RunView:
        """The run, as it was when the log was read last."""
        return self._view

    def read(
        self, after: str | None = None, limit: int = PAGE_ROWS, *, failures_until: Micros = LAST_INSTANT
    ) -> LogPage:
        """Read up to `limit` lines behind a cursor; None: from the beginning.

        `failures_until`: what is behind a failure after this instant is left to a later read, as lines before it may
        still come.
        Raises RunNotFound, InvalidArgument for a cursor that no line has, StoreError.
        """
        line, entry = parse_cursor(after)
        self._refresh()
        self._failures_until = failures_until
        limit = max(1, min(limit, MAX_PAGE_LINES))
        found = list(islice(self._merged(line, entry), limit + 1))
        lines = tuple(found[:limit])
        cursor = lines[-1].cursor if lines else _cursor((line, entry))
        return LogPage(lines, cursor, len(found) > limit)

    def has_failure_after(self, instant: Micros) -> bool:
        """Return True if an attempt has failed after this instant, as far as the run was read."""
        return any([failure.at > instant for failure in self._failures])

    # -- within

    def _refresh(self) -> None:
        if self._runs.row(self._run_id).seq != len(self._view.journal):
            self._take_in(self._runs.view(self._run_id))

    def _take_in(self, view: RunView) -> None:
        self._view = view
        nodes = view.nodes if self._node is None else (view.node(self._node),)
        names = [node.name for node in view.plan.nodes]
        self._nodes = {names.index(node.name) if len(nodes) == 1 else i: node for i, node in enumerate(nodes)}
        self._fences = {i: _last_fences(view, node) for i, node in self._nodes.items()}
        failed = [
            _Failure(attempt.entry, attempt.ended_at or view.journal[attempt.entry - 1].recorded_at, node.name, attempt)
            for node in nodes
            for attempt in node.attempts
            if attempt.outcome in ("failed", "lost") and attempt.entry is not None and self._is_wanted(attempt.number)
        ]
        self._failures = sorted(failed, key=lambda failure: failure.entry)

    def _is_wanted(self, number: int) -> bool:
        return self._attempt is None or number == self._attempt

    def _merged(self, line: int, entry: int) -> Iterator[LogLine]:
        """Lines behind a place, and the failures between them, by instant."""
        until = self._failures_until
        failures = iter([failure for failure in self._failures if failure.entry > entry])
        failure = next(failures, None)
        for row, number, iteration in self._rows(line):
            while failure is not None and failure.at < row.at:
                if failure.at > until:
                    return
                entry = failure.entry
                yield failure.to_line(line)
                failure = next(failures, None)
            line = row.line
            name = self._nodes[row.node].name
            place = _cursor((line, entry))
            yield LogLine(place, name, number, iteration, row.at, row.stream, row.text, row.level, row.logger)
        while failure is not None and failure.at <= until:
            yield failure.to_line(line)
            failure = next(failures, None)

    def _rows(self, line: int) -> Iterator[tuple[LogRow, int, int]]:
        """Rows of the attempts that are wanted, with the number and iteration of their attempt."""
        node = next(iter(self._nodes)) if self._node is not None else None
        while True:
            page = self._runs.store.read_logs(self._run_id, line, PAGE_ROWS, node)
            for row in page:
                if row.node in self._nodes:
                    number, iteration = self._attempt_of(row)
                    if self._is_wanted(number):
                        yield row, number, iteration
            if len(page) < PAGE_ROWS:
                return
            line = page[-1].line

    def _attempt_of(self, row: LogRow) -> tuple[int, int]:
        """Find number and iteration of the attempt that a line was written in.

        An attempt that was suspended is issued again under the next fence, so it has all up to the one it ended with.
        """
        fences, ended = self._fences[row.node]
        found = bisect_left(fences, row.fence)
        if found < len(ended):
            return ended[found].number, ended[found].iteration
        return _next_attempt(self._nodes[row.node])


def parse_cursor(text: str | None) -> _Place:
    """Line and journal entry of a cursor.  Raises InvalidArgument."""
    if text is None:
        return 0, 0
    found = _CURSOR.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise InvalidArgument(
            f"{str(text)[:40]!r} is no place in a log",
            hint="give the cursor of a line or of a page, as it is, or none to begin at the beginning",
        )
    return int(found[1]), int(found[2])


def _cursor(place: _Place) -> str:
    return f"{place[0]}.{place[1]}"


def _last_fences(view: RunView, node: NodeView) -> tuple[list[int], list[AttemptView]]:
    """Return the fence that each attempt of a node ended under, and these attempts; both rise together."""
    ended = [attempt for attempt in node.attempts if attempt.entry is not None]
    fences: list[int] = [getattr(view.journal[(attempt.entry or 0) - 1].event, "fence") for attempt in ended]  # noqa: B009
    return fences, ended


def _next_attempt(node: NodeView) -> tuple[int, int]:
    """Return number and iteration of the attempt behind those that have ended."""
    if not node.attempts:
        return 1, 1
    last = node.attempts[-1]
    if last.outcome == "running":
        return last.number, last.iteration
    if last.outcome == "completed":
        return 1, last.iteration + 1
    return last.number + 1, last.iteration
