"""The memory store: logs."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import islice
from typing import Any, Final

from holdwater.model.logs import MAX_LOG_PAGE_LINES, LogRow, LogSize, number_lines

MAX_MEMORY_BYTES: Final = 64_000_000
"""of all logs together; beyond it the logs that are written longest ago are deleted"""


class MemoryLogs:
    """The logs of a memory store, under its lock."""

    def __init__(self, locked: Callable[[], AbstractContextManager[None]], runs: Mapping[str, Any]) -> None:
        """Begin without any log.  `runs`: those that exist."""
        self._locked_for_logs, self._known_runs = locked, runs
        self._logs: Final[dict[str, list[LogRow]]] = {}
        """by run, the one that was written to last at the end"""
        self._log_sizes: Final[dict[str, LogSize]] = {}

    def append_logs(self, rows: Sequence[LogRow], followed_runs: Collection[str] = ()) -> None:
        """Write lines behind those that their runs have."""
        with self._locked_for_logs():
            ids = {row.run_id for row in rows if row.run_id in self._known_runs}
            kept, sizes = number_lines(rows, {run_id: self._log_sizes.get(run_id, LogSize()) for run_id in ids})
            for run_id in sizes:
                self._logs[run_id] = self._logs.pop(run_id, [])
            for row in kept:
                self._logs[row.run_id].append(row)
            self._log_sizes.update(sizes)
            while len(self._logs) > 1 and sum([s.size_bytes for s in self._log_sizes.values()]) > MAX_MEMORY_BYTES:
                self._delete_logs(next(iter(self._logs)))

    def read_logs(self, run_id: str, after_line: int = 0, limit: int = 1000, node: int | None = None) -> list[LogRow]:
        """Read lines behind a number, in order, 10,000 at most.  `node`: only those of this one."""
        with self._locked_for_logs():
            rows = self._logs.get(run_id, [])
            first = bisect_right(rows, after_line, key=lambda row: row.line)
            matching: Iterator[LogRow] = (row for row in islice(rows, first, None) if node is None or row.node == node)
            return [replace(row) for row in islice(matching, max(0, min(limit, MAX_LOG_PAGE_LINES)))]

    def _delete_logs(self, run_id: str) -> None:
        self._logs.pop(run_id, None)
        self._log_sizes.pop(run_id, None)
