"""Deleting runs that ended long ago, after a look at how many they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request, Response

from holdwater.errors import InvalidArgument
from holdwater.model.records import CappedCount, RunFilter
from holdwater.model.time import Micros, add_seconds
from holdwater.operations.databases import Database
from holdwater.operations.pruning import prune_runs
from holdwater.operations.runs import count_runs
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
MAX_DELETED_RUNS: Final = 10_000
"""runs that one request deletes, about"""


@dataclass(frozen=True, slots=True)
class OldRuns:
    """Runs that ended more than `days` ago, by status."""

    days: int
    ended_before: Micros
    counts: dict[str, CappedCount]

    @property
    def total(self) -> CappedCount:
        """All of them."""
        return sum(self.counts.values(), CappedCount(0))


def preview(database: Database, days: int) -> OldRuns:
    """Count the runs that would be deleted.  Raises StoreUnavailable."""
    ended_before = add_seconds(database.clock.now(), -86_400 * days)
    which = RunFilter(top_level=True, ended_until=ended_before)
    return OldRuns(days, ended_before, dict(count_runs(database.runs, which)))


@router.post("/ops/prune")
def delete_old_runs(request: Request, tenant: Tenant, posted: PostedForm) -> Response:
    """Delete the runs that ended so many days ago, `MAX_DELETED_RUNS` at most."""
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
