"""Filters of runs as callers give them, judged where they come in."""

from __future__ import annotations

from typing import Any, Final

from holdwater.errors import InvalidArgument
from holdwater.model import validation
from holdwater.model.provenance import ORIGINS, check_labels
from holdwater.model.records import RunFilter
from holdwater.model.statuses import STATUS_LABELS
from holdwater.model.suggestions import did_you_mean

MAX_PATTERNS: Final = 50
"""patterns of names, states or origins in one filter"""
MAX_TEXT_BYTES: Final = 1_000
"""of a text that is searched for, in UTF-8"""


def check_filter(which: RunFilter) -> None:
    """Check a filter.  Raises InvalidArgument."""
    for status in (*which.statuses, *which.excluded_statuses, *(() if which.status is None else (which.status,))):
        _check_choice("status", status, tuple(STATUS_LABELS))
    for origin in which.origins:
        _check_choice("origin", origin, ORIGINS)
    for name in (*which.workflows, *which.excluded_workflows):
        validation.check_text("a pattern of names", name, max_bytes=validation.MAX_NAME_BYTES)
    for many in (which.statuses, which.excluded_statuses, which.workflows, which.excluded_workflows, which.origins):
        if len(many) > MAX_PATTERNS:
            raise InvalidArgument(f"a filter has at most {MAX_PATTERNS} alternatives, not {len(many):,}")
    for label, sought in (
        ("a workflow", which.workflow),
        ("the id of a run", which.parent_id),
        ("a release", which.release),
    ):
        if sought is not None:
            validation.check_search_text(label, sought)
    if which.text is not None:
        validation.check_text("the text to search for", which.text, max_bytes=MAX_TEXT_BYTES)
    check_labels({key: value or "" for key, value in which.labels.items()})


def _check_choice(what: str, given: Any, choices: tuple[str, ...]) -> None:
    if given not in choices:
        raise InvalidArgument(
            f"there is no {what} {validation.shorten_repr(given)}",
            hint=did_you_mean(str(given), choices) or f"one of {', '.join(choices)}",
        )
