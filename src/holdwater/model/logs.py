"""Lines of the logs of runs: what task functions print and log, one row each.

A line is what stands before a newline of an output, or one log record, which may have several lines of text itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from holdwater.model.error_report import sanitize_text
from holdwater.model.time import Micros

MAX_LINE_CHARS: Final = 16_000
"""of one line; what is longer loses its end, and a record with a traceback its middle"""
MAX_ATTEMPT_BYTES: Final = 1_000_000
"""of one attempt; behind it there is one line that says so"""
MAX_RUN_BYTES: Final = 10_000_000
"""of one run"""
LINE_OVERHEAD_BYTES: Final = 32
"""counted for each line besides its text"""
MAX_LOGGER_CHARS: Final = 200
MAX_LOG_PAGE_LINES: Final = 10_000
"""most that one read returns"""

LogStream = Literal["stdout", "stderr", "log", "notice"]
"""`log`: a log record; `notice`: the log about itself: where it was cut, how many lines are missing"""


@dataclass(slots=True)
class LogRow:
    """One line.  `line`: its number in the log of the run, from 1, given by the store; 0: not stored yet.

    `node`, `fence`: the attempt.  `level`, `logger`: name of the level and of the logger of a record.
    """

    run_id: str
    node: int
    fence: int
    at: Micros
    stream: LogStream
    text: str
    level: str | None = None
    logger: str | None = None
    line: int = 0

    @property
    def size_bytes(self) -> int:
        """Its size, as limits count it."""
        text = self.text
        return (len(text) if text.isascii() else len(text.encode("utf-8", "replace"))) + LINE_OVERHEAD_BYTES


@dataclass(frozen=True, slots=True)
class LogSize:
    """Number of lines and bytes that were written to the log of a run."""

    lines: int = 0
    size_bytes: int = 0

    @property
    def is_full(self) -> bool:
        """Nothing more is written."""
        return self.size_bytes > MAX_RUN_BYTES


def number_lines(rows: Iterable[LogRow], sizes: Mapping[str, LogSize]) -> tuple[list[LogRow], dict[str, LogSize]]:
    """Number new lines behind those there are, up to the limit of each run; returns them and the new sizes.

    `sizes`: those of the runs that exist; lines of others are left out.
    """
    kept: list[LogRow] = []
    found = dict(sizes)
    for row in rows:
        size = found.get(row.run_id)
        if size is None or size.is_full:
            continue
        size = LogSize(size.lines + 1, size.size_bytes + row.size_bytes)
        if size.is_full:
            text = f"the log of this run has {MAX_RUN_BYTES // 1_000_000} MB and is cut here"
            row = replace(row, stream="notice", text=text, level=None, logger=None)
        kept.append(_storable(row, size.lines))
        found[row.run_id] = size
    return kept, {run_id: size for run_id, size in found.items() if size != sizes[run_id]}


def _storable(row: LogRow, line: int) -> LogRow:
    """Return the row with its number, and with escapes in the place of what no database takes."""
    logger = None if row.logger is None else sanitize_text(row.logger, MAX_LOGGER_CHARS)
    return LogRow(
        row.run_id,
        row.node,
        row.fence,
        row.at,
        row.stream,
        sanitize_text(row.text),
        None if row.level is None else sanitize_text(row.level, MAX_LOGGER_CHARS),
        logger,
        line,
    )
