"""Answering an open question of a run, or of a run it has started."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from fastapi import APIRouter, Request, Response

from holdwater.errors import HoldwaterError
from holdwater.operations.control import answer_pause, find_pause
from holdwater.runs.open_pauses import Pause
from holdwater.server.access import author_of
from holdwater.server.command_lines import command_line
from holdwater.server.form_posts import PostedForm
from holdwater.server.forms import Form, build_form, read_form, show_posted
from holdwater.server.forms.json_text import write_json
from holdwater.server.notices import Notice
from holdwater.server.pages.run.act_responses import (
    DIALOG_HEADER,
    command_response,
    form_response,
    success_response,
    wants_command,
)
from holdwater.server.pages.run.act_texts import pickup_hint
from holdwater.server.pages.run.acts import PICKUP_WAIT_SECONDS
from holdwater.server.run_paths import RunId, encode_run_id
from holdwater.server.tenant_database import Tenant, TenantDatabase
from holdwater.server.value_tree import show_value

router = APIRouter()


@router.get("/runs/{run_id}/answer")
def answer_form(
    request: Request,
    tenant: Tenant,
    run_id: RunId,
    pause: str | None = None,
    fragment: Literal["dialog"] | None = None,
) -> Response:
    """Show a question with the form of its answer.  `pause`: its pause id; None: the only one."""
    view = tenant.folded_runs.view(run_id)
    asked = tenant.database.runs.find_pause(run_id, pause)
    values = answer_values(tenant, run_id, asked)
    return form_response(request, tenant, view.info, "answer_fields", values, is_dialog=fragment is not None)


@router.post("/runs/{run_id}/answer")
def answer(request: Request, tenant: Tenant, run_id: RunId, form: PostedForm) -> Response:
    """Answer it."""
    view = tenant.folded_runs.view(run_id)
    asked = find_pause(tenant.engine, run_id, str(form.get("pause", "")) or None)
    is_inline = bool(form.get("inline")) and DIALOG_HEADER in request.headers
    posted = [(name, text) for name, text in form.multi_items() if isinstance(text, str)]
    given = read_form(asked.answer_schema, posted)
    if wants_command(form):
        text = "" if given.errors else _command(tenant, run_id, asked, write_json(given.value))
        return command_response(request, tenant, text)
    if given.errors:
        shown = show_posted(asked.answer_schema, posted, given.errors, label=asked.answer_name)
        values = answer_values(tenant, run_id, asked, shown, is_inline=is_inline) | {"is_invalid": True}
        return form_response(request, tenant, view.info, "answer_fields", values)
    try:
        situation = answer_pause(
            tenant.engine, run_id, asked, given.value, by=author_of(request), pickup_seconds=PICKUP_WAIT_SECONDS
        )
    except HoldwaterError as error:
        values = answer_values(tenant, run_id, asked, _as_posted(asked, posted), is_inline=is_inline)
        return form_response(request, tenant, view.info, "answer_fields", values, error=error)
    notice = Notice(f"{asked.pause_id} has its answer.", "ok", pickup_hint(situation))
    return success_response(request, tenant, f"/runs/{encode_run_id(run_id)}", notice)


def question_form(asked: Pause) -> Form:
    """Build the empty form of an answer."""
    return build_form(asked.answer_schema, label=asked.answer_name)


def answer_values(
    tenant: TenantDatabase, run_id: str, asked: Pause, form: Form | None = None, *, is_inline: bool = False
) -> dict[str, Any]:
    """Build what the template of an answer sees.  `is_inline`: in the panel of the task, beside the question."""
    return {
        "verb": "answer",
        "title": f"Answer {asked.pause_id}",
        "submit": "Answer",
        "pause": asked,
        "question": None if asked.question is None or is_inline else show_value(asked.answer_name, asked.question),
        "form": form or question_form(asked),
        "is_inline": is_inline,
        "is_invalid": False,
        "command": _command(tenant, run_id, asked, "ANSWER"),
    }


def _command(tenant: TenantDatabase, run_id: str, asked: Pause, answer: str) -> str:
    return command_line(tenant, "runs", "answer", run_id, answer, "--pause", asked.pause_id)


def _as_posted(asked: Pause, posted: Iterable[tuple[str, str]]) -> Form:
    return show_posted(asked.answer_schema, posted, {}, label=asked.answer_name)
