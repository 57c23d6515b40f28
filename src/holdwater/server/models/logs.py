"""Lines of the log of a run."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from holdwater.runs.logs import LogLine
from holdwater.server.models.base import Instant, to_instant


class LogLineBody(BaseModel):
    """One line.  `cursor`: its place; `stream`: "notice" is the log about itself: where it is cut."""

    cursor: str
    task_name: str
    attempt: int
    iteration: int
    at: Instant
    stream: Literal["stdout", "stderr", "log", "traceback", "notice"]
    level: str | None
    logger: str | None
    text: str

    @classmethod
    def of(cls, line: LogLine) -> LogLineBody:
        """Create it from a line of a log."""
        return cls(
            cursor=line.cursor,
            task_name=line.node,
            attempt=line.attempt,
            iteration=line.iteration,
            at=to_instant(line.at),
            stream=line.stream,
            level=line.level,
            logger=line.logger,
            text=line.text,
        )


class LogPageBody(BaseModel):
    """Lines in the order in which they were written.  `cursor`: the place behind them, for `after`."""

    tenant_id: str
    execution_id: str
    items: list[LogLineBody]
    total: int
    cursor: str
    has_more: bool
