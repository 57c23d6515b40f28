"""The filter of a database that the filters of a page stand for."""

from __future__ import annotations

from holdwater.errors import InvalidArgument
from holdwater.model.records import RunFilter
from holdwater.model.time import Micros
from holdwater.server.pages.runs.query import RunsQuery


def run_filter(query: RunsQuery, now: Micros) -> RunFilter:
    """Create the filter of a query.  Raises InvalidArgument."""
    try:
        since, _ = query.window(now)
    except ValueError as error:
        raise InvalidArgument(str(error)) from None
    return RunFilter(
        workflow=query.workflow or None,
        status=query.status[0] if query.status else None,
        top_level=not query.children,
        since=since,
    )
