"""Logs on every SQL database: reading, and the shape of rows."""

from __future__ import annotations

from typing import Any, Protocol

from holdwater.model.logs import MAX_LOG_PAGE_LINES, LogRow, LogSize
from holdwater.storage.sql import queries
from holdwater.storage.sql.rows import Row


class LogStatements(queries.RunQueryStatements, Protocol):
    """The statements of logs in a dialect's module of statements."""

    READ_LOGS: str
    READ_NODE_LOGS: str


class LogQueries(queries.RunQueries):
    """The part of a store that reads logs."""

    _sql: LogStatements

    def read_logs(self, run_id: str, after_line: int = 0, limit: int = 1000, node: int | None = None) -> list[LogRow]:
        """Read lines behind a number, in order, 10,000 at most.  `node`: only those of this one."""
        page = (after_line, max(0, min(limit, MAX_LOG_PAGE_LINES)))
        if node is None:
            return [LogRow(*row) for row in self._select(self._sql.READ_LOGS, (run_id, *page))]
        return [LogRow(*row) for row in self._select(self._sql.READ_NODE_LOGS, (run_id, node, *page))]


def log_row(row: LogRow) -> Row:
    return (row.run_id, row.node, row.fence, row.at, row.stream, row.text, row.level, row.logger, row.line)


def parse_log_sizes(found: list[Any]) -> dict[str, LogSize]:
    """Sizes by run, from (run, lines, bytes)."""
    return {run_id: LogSize(lines, size_bytes) for run_id, lines, size_bytes in found}
