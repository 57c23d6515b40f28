"""Pages and counts of runs by the filters of a query."""

from __future__ import annotations

from typing import Final

from holdwater.errors import RunNotFound
from holdwater.model.records import RunFilter
from holdwater.model.time import Micros, from_rfc3339
from holdwater.operations.runs import count_runs, list_runs
from holdwater.runs.info import RunInfo
from holdwater.runs.reader import RunReader
from holdwater.server.errors import RequestError
from holdwater.server.models.execution_query import ExecutionQuery
from holdwater.server.models.executions import Count, ExecutionStatus
from holdwater.server.paging import decode_cursor, encode_cursor

_NOT_OF_THE_FILTER: Final = {"limit", "offset", "cursor", "count"}


def list_executions_page(runs: RunReader, query: ExecutionQuery) -> tuple[list[RunInfo], str | None]:
    """Read a page of runs, newest first, and the cursor of the next.  Raises RequestError, StoreUnavailable."""
    parts = query.model_dump(exclude=_NOT_OF_THE_FILTER)
    wanted = run_filter(query)
    if query.cursor is not None:
        wanted.before_id = decode_cursor(query.cursor, parts, (str,))[0]
    wanted.offset = query.offset
    try:
        found = list_runs(runs, wanted, query.limit + 1)
    except RunNotFound:
        raise RequestError(
            400, "the run at the end of the page before was deleted", code="invalid_pagination",
            hint="begin again without a cursor",
        ) from None  # fmt: skip
    page = list(found[: query.limit])
    return page, encode_cursor([page[-1].id], parts) if len(found) > query.limit else None


def count_executions(runs: RunReader, query: ExecutionQuery) -> dict[ExecutionStatus, Count]:
    """Count matching runs by status.  Raises RequestError, StoreUnavailable."""
    counted = count_runs(runs, run_filter(query))
    return {
        status: Count(count=number.count, more=number.is_capped)  # type: ignore[misc]
        for status, number in counted.items()
    }


def run_filter(query: ExecutionQuery) -> RunFilter:
    """Create the filter of a query.  Raises RequestError."""
    return RunFilter(
        workflow=query.workflow,
        status=query.status,
        top_level=not query.children,
        since=parse_query_instant("since", query.since),
    )


def parse_query_instant(name: str, text: str | None) -> Micros | None:
    """Parse an instant of a query.  Raises RequestError."""
    if text is None:
        return None
    try:
        return from_rfc3339(text)
    except (ValueError, OverflowError) as error:
        raise RequestError(
            400, f"query.{name}: {text!r} is no instant: {error}", hint="write 2026-11-21T05:00:00Z"
        ) from None
