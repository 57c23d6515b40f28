"""The filter of a database that the filters of a page stand for."""

from __future__ import annotations

from holdwater.errors import InvalidArgument
from holdwater.model.records import RunFilter
from holdwater.model.time import Micros
from holdwater.server.pages.runs.query import RunsQuery


def run_filter(query: RunsQuery, now: Micros) -> RunFilter:
    """Create the filter of a query.  Raises InvalidArgument."""
    try:
        since, until = query.window(now)
    except ValueError as error:
        raise InvalidArgument(str(error)) from None
    which = RunFilter(
        top_level=not query.children,
        statuses=tuple([one for one in query.status if not one.startswith("!")]),
        excluded_statuses=tuple([one[1:] for one in query.status if one.startswith("!")]),
        labels=dict([_label(one) for one in query.label]),
        origins=(query.origin,) if query.origin else (),
        release=query.release or None,
        text=query.text or None,
    )
    if query.workflow.startswith("!"):
        which.excluded_workflows = (query.workflow[1:],)
    elif query.workflow:
        which.workflows = (query.workflow,)
    if query.time == "ended":
        which.ended_since, which.ended_until = since, until
    else:
        which.since, which.until = since, until
    return which


def _label(text: str) -> tuple[str, str | None]:
    """Split `KEY=VALUE`; without a value, every one fits."""
    key, equals, value = text.partition("=")
    return key.strip(), value.strip() if equals else None
