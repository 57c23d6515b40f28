"""Filters of lists of runs as parameters of a query, and in bodies of requests."""

from __future__ import annotations

import glob
from typing import Any, Final

from holdwater.errors import InvalidArgument
from holdwater.model.records import RunFilter
from holdwater.model.time import Micros, to_rfc3339

EXCLUDE: Final = "!"


def filter_to_json(which: RunFilter) -> dict[str, Any]:
    """Write what a filter selects, without its page.  Raises InvalidArgument for what the API cannot say."""
    by_end = (which.ended_since, which.ended_until) != (None, None)
    if by_end and (which.since, which.until) != (None, None):
        raise InvalidArgument("a server selects runs by their starts or by their ends, not by both")
    since, until = (which.ended_since, which.ended_until) if by_end else (which.since, which.until)
    said = {
        "status": [*([which.status] if which.status else []), *which.statuses, *_excluded(which.excluded_statuses)],
        "workflow": [*_exact(which.workflow), *which.workflows, *_excluded(which.excluded_workflows)],
        "label": [key if value is None else f"{key}={value}" for key, value in which.labels.items()],
        "release": which.release,
        "origin": list(which.origins),
        "since": _instant(since),
        "until": _instant(until),
        "time": "ended" if by_end else None,
        "text": which.text,
        "children": True if which.parent_id is None and not which.top_level else None,
        "parent": which.parent_id,
    }
    return {name: value for name, value in said.items() if value not in (None, [])}


def _exact(name: str | None) -> list[str]:
    return [] if name is None else [glob.escape(name)]


def _excluded(terms: tuple[str, ...]) -> list[str]:
    return [f"{EXCLUDE}{term}" for term in terms]


def _instant(at: Micros | None) -> str | None:
    return None if at is None else to_rfc3339(at)
