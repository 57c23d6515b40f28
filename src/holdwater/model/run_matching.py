"""The meaning of a `RunFilter`: which runs it selects."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final

from holdwater.model.records import MAX_INSTANT, MIN_INSTANT, RunFilter, RunRow
from holdwater.model.statuses import STATUS_LABELS

_ALL_STATUSES: Final = tuple(STATUS_LABELS)
_ASCII_LOWER: Final = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def wanted_statuses(run_filter: RunFilter) -> tuple[str, ...]:
    """List the statuses a filter selects, in the order of `STATUS_LABELS`."""
    included = run_filter.statuses or _ALL_STATUSES
    return tuple(
        status
        for status in _ALL_STATUSES
        if status in included and status not in run_filter.excluded_statuses and run_filter.status in (None, status)
    )


def selects_all_statuses(run_filter: RunFilter) -> bool:
    """Return True if the status of a run does not matter."""
    return len(wanted_statuses(run_filter)) == len(_ALL_STATUSES)


def has_workflow_patterns(run_filter: RunFilter) -> bool:
    """Return True if the names of the workflows have to be looked up."""
    return bool(run_filter.workflows or run_filter.excluded_workflows)


def is_wanted_workflow(run_filter: RunFilter, name: str) -> bool:
    """Return True if a filter selects runs of a workflow."""
    return (
        run_filter.workflow in (None, name)
        and (not run_filter.workflows or _matches_any(name, run_filter.workflows))
        and not _matches_any(name, run_filter.excluded_workflows)
    )


def matches(run_filter: RunFilter, row: RunRow) -> bool:
    """Return True if a filter selects a run, regardless of pages."""
    labels = row.labels if run_filter.labels else {}
    return (
        row.status in wanted_statuses(run_filter)
        and is_wanted_workflow(run_filter, row.workflow)
        and not (run_filter.top_level and row.parent_id is not None)
        and run_filter.parent_id in (None, row.parent_id)
        and all(key in labels and value in (None, labels[key]) for key, value in run_filter.labels.items())
        and (not run_filter.origins or row.origin in run_filter.origins)
        and run_filter.release in (None, row.release)
        and _instant(run_filter.since, MIN_INSTANT) <= row.created_at < _instant(run_filter.until, MAX_INSTANT)
        and _ended_then(run_filter, row)
        and (run_filter.text is None or _has_text(row, run_filter.text))
    )


def _matches_any(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _instant(given: int | None, default: int) -> int:
    return default if given is None else given


def _ended_then(run_filter: RunFilter, row: RunRow) -> bool:
    if run_filter.ended_since is None and run_filter.ended_until is None:
        return True
    if row.finished_at is None:
        return False
    earliest, end = _instant(run_filter.ended_since, MIN_INSTANT), _instant(run_filter.ended_until, MAX_INSTANT)
    return earliest <= row.finished_at < end


def _has_text(row: RunRow, text: str) -> bool:
    if row.id.startswith(text) or row.id.endswith(text):
        return True
    sought = text.translate(_ASCII_LOWER)
    return any(sought in found.translate(_ASCII_LOWER) for found in (row.idempotency_key, row.error) if found)
