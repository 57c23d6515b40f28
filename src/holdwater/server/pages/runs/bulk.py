"""Acts on many runs: those that are selected, or all that match the filters."""

from __future__ import annotations

from typing import Final, cast, get_args
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response
from starlette.datastructures import QueryParams

from holdwater.errors import InvalidArgument
from holdwater.operations.bulk_control import BulkResult, BulkVerb, control_matching_runs, control_runs
from holdwater.server.acts import act_and_redirect, page_url
from holdwater.server.form_posts import PostedForm
from holdwater.server.notices import Notice
from holdwater.server.pages.runs.filters import run_filter
from holdwater.server.pages.runs.query import RunsQuery
from holdwater.server.presentation import pluralize
from holdwater.server.tenant_database import Tenant

router = APIRouter()

BY: Final = "ui"
"""author of what is done in the web UI"""
MAX_REASON_CHARACTERS: Final = 1_000
_DONE: Final[dict[BulkVerb, str]] = {
    "cancel": "asked to cancel",
    "pause": "paused",
    "resume": "resumed",
    "retry": "retried",
}


@router.post("/runs/bulk")
def act_on_runs(request: Request, tenant: Tenant, posted: PostedForm) -> Response:
    """Do something to the selected runs, or to all that match the query the form was shown with."""
    query = RunsQuery.of(QueryParams(parse_qsl(str(posted.get("query", "")))))
    verb = str(posted.get("verb", ""))  # each act has a dialog, with a scope and a reason of its own
    reason = str(posted.get(f"reason-{verb}", ""))[:MAX_REASON_CHARACTERS].strip()

    def act() -> Notice:
        if verb not in get_args(BulkVerb):
            raise InvalidArgument(f"{verb!r} cannot be done to runs")
        chosen = cast(BulkVerb, verb)
        if posted.get(f"scope-{verb}") == "matching":
            which = run_filter(query, tenant.database.clock.now())
            return _notice(chosen, control_matching_runs(tenant.engine, chosen, which, reason, by=BY))
        ids = [one for one in posted.getlist("run") if isinstance(one, str)]
        if not ids:
            return Notice("No run was selected: nothing was changed.", "warn")
        return _notice(chosen, control_runs(tenant.engine, chosen, ids, reason, by=BY))

    return act_and_redirect(request, page_url(request, tenant, f"/runs{query.url()}"), act)


def _notice(verb: BulkVerb, result: BulkResult) -> Notice:
    parts = [f"{pluralize(result.done_count, 'run')} {_DONE[verb]}."]
    if result.refused_count:
        first = next(iter(result.refusals.values()))
        parts.append(f"{pluralize(result.refused_count, 'run')} left as they were, the first because: {first}.")
    hint = "More runs match than one request takes: repeat it for the rest." if result.has_more else ""
    kind = "ok" if not result.refused_count else "warn" if result.done_count else "bad"
    return Notice(" ".join(parts), kind, hint)  # type: ignore[arg-type]
