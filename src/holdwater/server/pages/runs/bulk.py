"""Acts on many runs: those that are selected, or all that match the filters."""

from __future__ import annotations

from typing import Final, cast, get_args
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response
from starlette.datastructures import QueryParams

from holdwater.errors import InvalidArgument
from holdwater.model.bulk_jobs import MAX_BULK_RUNS, BulkJob, BulkVerb
from holdwater.operations.bulk_jobs import SelectedRuns, create_bulk_job, get_bulk_job
from holdwater.server.access import author_of
from holdwater.server.acts import act_and_redirect, page_url, writable_database
from holdwater.server.form_posts import PostedForm
from holdwater.server.notices import Notice
from holdwater.server.pages.runs.filters import run_filter
from holdwater.server.pages.runs.query import RunsQuery
from holdwater.server.presentation import pluralize
from holdwater.server.tenant_database import Tenant

router = APIRouter()

MAX_REASON_CHARACTERS: Final = 1_000
WAIT_SECONDS: Final = 2.0
"""longest wait for the end of a job, whose result is told at once then"""
_DONE: Final[dict[BulkVerb, str]] = {
    "cancel": "asked to cancel",
    "pause": "paused",
    "resume": "resumed",
    "retry": "retried",
    "forget": "deleted",
}


@router.post("/runs/bulk")
def act_on_runs(request: Request, tenant: Tenant, posted: PostedForm) -> Response:
    """Do something to the selected runs, or to all that match the query the form was shown with."""
    query = RunsQuery.of(QueryParams(parse_qsl(str(posted.get("query", "")))))
    verb = str(posted.get("verb", ""))  # each act has a dialog, with a reason of its own
    reason = str(posted.get(f"reason-{verb}", ""))[:MAX_REASON_CHARACTERS].strip()

    def act() -> Notice:
        if verb not in get_args(BulkVerb):
            raise InvalidArgument(f"{verb!r} cannot be done to runs")
        if posted.get("scope") == "matching":
            selection = SelectedRuns(which=run_filter(query, tenant.database.clock.now()))
        else:
            selection = SelectedRuns(tuple([one for one in posted.getlist("run") if isinstance(one, str)]))
            if not selection.run_ids:
                return Notice("No run was selected: nothing was changed.", "warn")
        database = writable_database(tenant)
        job = create_bulk_job(database, cast(BulkVerb, verb), selection, reason, by=author_of(request))
        tenant.bulk_worker.start()
        tenant.bulk_worker.wait_for_job(job.id, WAIT_SECONDS)
        return _notice(get_bulk_job(database, job.id))

    return act_and_redirect(request, page_url(request, tenant, f"/runs{query.url()}"), act)


def _notice(job: BulkJob) -> Notice:
    parts = [f"{pluralize(job.done_count, 'run')} {_DONE[job.verb]}."]
    if job.refused_count:
        first = next(iter(job.refusals.values()))
        parts.append(f"{pluralize(job.refused_count, 'run')} left as they were, the first because: {first}.")
    if job.state == "running":
        parts.append(f"{pluralize(job.left_count, 'run')} to go.")
        return Notice(" ".join(parts), "ok", link="/ops#bulk", link_text="See how far it is")
    hint = f"More than {MAX_BULK_RUNS:,} runs match: repeat it for the rest." if job.has_more else ""
    kind = "ok" if not job.refused_count else "warn" if job.done_count else "bad"
    return Notice(" ".join(parts), kind, hint)  # type: ignore[arg-type]
