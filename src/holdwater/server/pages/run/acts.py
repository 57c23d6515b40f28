"""Acts on a run: cancel, pause, resume, retry.  Each has a form, as a page of its own and as a dialog.

A form that is posted leads back to the run with a notice; one that is refused is shown again with what is wrong.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from fastapi import APIRouter, Request, Response

from holdwater.errors import HoldwaterError
from holdwater.model.records import RunFilter
from holdwater.model.statuses import ACTIVE_STATUSES
from holdwater.operations.catalog import find_other_release
from holdwater.operations.control import RunSituation, cancel_run, pause_run, resume_run, retry_run
from holdwater.operations.runs import count_runs
from holdwater.server.access import author_of
from holdwater.server.command_lines import command_line
from holdwater.server.form_posts import PostedForm
from holdwater.server.notices import Notice
from holdwater.server.pages.run.act_responses import command_response, form_response, success_response, wants_command
from holdwater.server.pages.run.act_texts import SUBMITS, TITLES, Verb, describe_act, pickup_hint, result_text
from holdwater.server.pages.run.shown_run import ShownRun
from holdwater.server.run_paths import RunId, encode_run_id
from holdwater.server.tenant_database import Tenant, TenantDatabase

router = APIRouter()

Release = Literal["active"] | None

PICKUP_WAIT_SECONDS: Final = 1.0
"""a runner with room hears of new work within milliseconds"""
UNDO: Final[dict[Verb, tuple[Verb, str]]] = {"pause": ("resume", "Resume it"), "cancel": ("retry", "Retry it")}
"""act -> the one that takes it back"""


def _add_routes(verb: Verb) -> None:
    """Add the form of an act, and what posts it."""

    @router.get(f"/runs/{{run_id}}/{verb}")
    def show_form(
        request: Request, tenant: Tenant, run_id: RunId, fragment: Literal["dialog"] | None = None
    ) -> Response:
        return _form(request, tenant, run_id, verb, is_dialog=fragment is not None)

    @router.post(f"/runs/{{run_id}}/{verb}", name=f"{verb}_run")
    def act(request: Request, tenant: Tenant, run_id: RunId, form: PostedForm) -> Response:
        reason = str(form.get("reason", "")).strip()
        release: Release = "active" if verb == "retry" and form.get("release") == "active" else None
        if wants_command(form):
            return command_response(request, tenant, _command(tenant, run_id, verb, reason, release))
        return _act(request, tenant, run_id, verb, reason, release)


for each in TITLES:
    _add_routes(each)


def _act(request: Request, tenant: TenantDatabase, run_id: str, verb: Verb, reason: str, release: Release) -> Response:
    """Do it, and go on to the run; or show the form again with the error."""
    try:
        situation = _do(tenant, run_id, verb, reason, release, author_of(request))
    except HoldwaterError as error:
        return _form(request, tenant, run_id, verb, reason=reason, release=release, error=error)
    undo, word = UNDO.get(verb, (None, ""))
    path = f"/runs/{encode_run_id(run_id)}"
    hint = pickup_hint(situation) if verb in ("resume", "retry") else ""
    can_undo = undo is not None and (verb != "cancel" or situation.run.ended)
    notice = Notice(
        result_text(verb, situation), "ok", hint, f"{path}/{undo}" if can_undo else "", word if can_undo else ""
    )
    return success_response(request, tenant, path, notice)


def _do(tenant: TenantDatabase, run_id: str, verb: Verb, reason: str, release: Release, by: str) -> RunSituation:
    match verb:
        case "cancel":
            return cancel_run(tenant.engine, run_id, reason, by=by)
        case "pause":
            return pause_run(tenant.engine, run_id, reason, by=by)
        case "resume":
            return resume_run(tenant.engine, run_id, reason, by=by, pickup_seconds=PICKUP_WAIT_SECONDS)
        case _:
            return retry_run(tenant.engine, run_id, reason, by=by, release=release, pickup_seconds=PICKUP_WAIT_SECONDS)


def _form(
    request: Request,
    tenant: TenantDatabase,
    run_id: str,
    verb: Verb,
    *,
    is_dialog: bool = False,
    reason: str = "",
    release: Release = None,
    error: HoldwaterError | None = None,
) -> Response:
    run = ShownRun.of(tenant.folded_runs.view(run_id), tenant.database.clock.now())
    children = count_runs(tenant.database.runs, RunFilter(parent_id=run_id)) if verb == "cancel" else {}
    values: dict[str, Any] = {
        "verb": verb,
        "title": TITLES[verb],
        "sentences": describe_act(
            run, verb, sum([children[status].count for status in ACTIVE_STATUSES if status in children])
        ),
        "submit": SUBMITS[verb],
        "is_dangerous": verb == "cancel",
        "reason": reason,
        "other_release": find_other_release(tenant.database, run.view.info) if verb == "retry" else None,
        "is_moved": release is not None,
        "command": _command(tenant, run_id, verb, reason, release),
    }
    return form_response(request, tenant, run.view.info, "act_fields", values, is_dialog=is_dialog, error=error)


def _command(tenant: TenantDatabase, run_id: str, verb: Verb, reason: str, release: Release) -> str:
    options = (("--reason", reason) if reason else ()) + (("--release", release) if release else ())
    return command_line(tenant, "runs", verb, run_id, *options)
