"""The retention rule of the database, and deleting runs that ended long ago, after a look at how many they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request, Response

from holdwater.errors import InvalidArgument
from holdwater.model.records import CappedCount
from holdwater.model.retention import RetentionRule
from holdwater.model.time import Micros, add_seconds
from holdwater.operations.databases import Database
from holdwater.operations.pruning import RetentionPreview, preview_pruning, prune_runs, set_retention
from holdwater.server.access import author_of, check_role
from holdwater.server.acts import act_and_redirect, page_url, writable_database
from holdwater.server.form_posts import PostedForm
from holdwater.server.notices import Notice
from holdwater.server.presentation import pluralize
from holdwater.server.tenant_database import Tenant

router = APIRouter()

DEFAULT_DAYS: Final = 30
MAX_DAYS: Final = 36_500
MAX_DIGITS: Final = 5
"""of a number of days"""
MAX_FIELD_CHARACTERS: Final = 4_000
MAX_DELETED_RUNS: Final = 10_000
"""runs that one request deletes, about"""


@dataclass(frozen=True, slots=True)
class OldRuns:
    """Runs that ended more than `days` ago."""

    days: int
    ended_before: Micros
    found: RetentionPreview

    @property
    def total(self) -> CappedCount:
        """All of them."""
        return self.found.total


def preview(database: Database, days: int) -> OldRuns:
    """Count the runs that would be deleted.  Raises StoreUnavailable."""
    ended_before = add_seconds(database.clock.now(), -86_400 * days)
    return OldRuns(days, ended_before, preview_pruning(database, ended_before))


@router.post("/ops/prune")
def delete_old_runs(request: Request, tenant: Tenant, posted: PostedForm) -> Response:
    """Delete the runs that ended so many days ago, `MAX_DELETED_RUNS` at most."""
    check_role(request, "admin")
    text = str(posted.get("days", ""))

    def act() -> Notice:
        days = int(text) if text.isdecimal() and len(text) <= MAX_DIGITS else 0
        if not 1 <= days <= MAX_DAYS:
            raise InvalidArgument(f"{text[:20]!r} is no number of days", hint=f"1 to {MAX_DAYS:,}")
        database = writable_database(tenant)
        ended_before = add_seconds(database.clock.now(), -86_400 * days)
        deleted = prune_runs(database, ended_before, limit=MAX_DELETED_RUNS)
        hint = "There may be more: repeat it for the rest." if deleted >= MAX_DELETED_RUNS else ""
        return Notice(f"{pluralize(deleted, 'run')} deleted, with their children.", "ok", hint)

    return act_and_redirect(request, page_url(request, tenant, "/ops"), act)


@router.post("/ops/retention")
def set_rule(request: Request, tenant: Tenant, posted: PostedForm) -> Response:
    """Set the rule of the database; an empty field limits nothing."""
    check_role(request, "admin")
    fields = {name: str(posted.get(name, ""))[:MAX_FIELD_CHARACTERS].strip() for name in _FIELDS}

    def act() -> Notice:
        labels = [label.strip() for label in fields["keep_labels"].split(",") if label.strip()]
        days, days_failed, logs_days = [
            _parse_days(name, fields[name]) for name in ("days", "days_failed", "logs_days")
        ]
        rule = RetentionRule(days, days_failed, tuple(labels), logs_days)
        set_retention(writable_database(tenant), rule, by=author_of(request))
        text = "There is no rule any more." if rule.is_empty else "The rule is set: runners obey it within an hour."
        return Notice(text)

    return act_and_redirect(request, page_url(request, tenant, "/ops"), act)


_FIELDS: Final = ("days", "days_failed", "keep_labels", "logs_days")


def _parse_days(name: str, text: str) -> float | None:
    """Parse a number of days, None for an empty text.  Raises InvalidArgument."""
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise InvalidArgument(f"{name}: {text[:20]!r} is no number of days", hint=f"0 to {MAX_DAYS:,}") from None
