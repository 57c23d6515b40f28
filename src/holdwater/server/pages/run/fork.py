"""Forking a run: from which task, with which values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from fastapi import APIRouter, Request, Response

from holdwater.errors import DecodingError, HoldwaterError, InvalidArgument
from holdwater.operations.control import fork_run
from holdwater.operations.edited_values import ValueEdits, editable_values, find_edits
from holdwater.server.access import author_of
from holdwater.server.command_lines import command_line
from holdwater.server.form_posts import PostedForm
from holdwater.server.forms.json_text import read_json, write_json
from holdwater.server.notices import Notice
from holdwater.server.pages.run.act_responses import command_response, form_response, success_response, wants_command
from holdwater.server.pages.run.act_texts import describe_fork, pickup_hint
from holdwater.server.pages.run.acts import PICKUP_WAIT_SECONDS
from holdwater.server.pages.run.shown_run import ShownRun
from holdwater.server.presentation import short_id
from holdwater.server.run_paths import RunId, encode_run_id
from holdwater.server.tenant_database import Tenant, TenantDatabase

router = APIRouter()

MAX_CHOICES: Final = 300
"""of a list of tasks; a run of more has a field for the name"""
MAX_COMMAND_CHARACTERS: Final = 8_000


@router.get("/runs/{run_id}/fork")
def fork_form(request: Request, tenant: Tenant, run_id: RunId, fragment: Literal["dialog"] | None = None) -> Response:
    """Show the form of a fork.  Parameter `from`: the task to begin with."""
    run = ShownRun.of(tenant.folded_runs.view(run_id), tenant.database.clock.now())
    values = _form_values(tenant, run, request.query_params.get("from"))
    return form_response(request, tenant, run.view.info, "fork_fields", values, is_dialog=fragment is not None)


@router.post("/runs/{run_id}/fork")
def fork(request: Request, tenant: Tenant, run_id: RunId, form: PostedForm) -> Response:
    """Fork it, and go on to the new run."""
    run = ShownRun.of(tenant.folded_runs.view(run_id), tenant.database.clock.now())
    from_task = str(form.get("from", ""))
    texts = {name: str(form.get(name, "")) for name in ("values", "shown")}
    edits, invalid = _read_edits(run, from_task, texts)
    if wants_command(form):
        return command_response(request, tenant, _command(tenant, run, from_task, texts))
    if edits is None:
        values = _posted_values(tenant, run, from_task, texts) | {"is_invalid": True, "values_error": invalid}
        return form_response(request, tenant, run.view.info, "fork_fields", values)
    try:
        situation = fork_run(
            tenant.engine, run_id, from_task, edits.values, edits.removed, by=author_of(request),
            pickup_seconds=PICKUP_WAIT_SECONDS,
        )  # fmt: skip
    except HoldwaterError as error:
        values = _posted_values(tenant, run, from_task, texts)
        return form_response(request, tenant, run.view.info, "fork_fields", values, error=error)
    text = f"This run begins at {from_task} of run {short_id(run_id)}."
    return success_response(
        request, tenant, f"/runs/{encode_run_id(situation.run.id)}", Notice(text, "ok", pickup_hint(situation))
    )


def _form_values(tenant: TenantDatabase, run: ShownRun, from_task: str | None) -> dict[str, Any]:
    """Build what the template sees."""
    choices = [node.name for node in run.view.nodes if not node.loop]
    chosen = from_task if from_task in run.marks else run.next_failed(None) or next(iter(choices), None)
    if chosen is not None and chosen not in choices and from_task is None:
        chosen = next(iter(choices), None)
    editable = None if chosen is None else editable_values(run.view, chosen)
    return {
        "verb": "fork",
        "title": "Fork this run",
        "submit": "Start the fork",
        "choices": choices if len(choices) <= MAX_CHOICES else None,
        "chosen": chosen or "",
        "effect": None if chosen is None else describe_fork(run, chosen),
        "values_text": "{}" if editable is None else write_json(editable.trees, indent=2),
        "shown_names": write_json([] if editable is None else list(editable.trees)),
        "left_out": () if editable is None else editable.left_out,
        "values_error": "",
        "is_invalid": False,
        "can_remove": run.view.info.style != "graphs",
        "command": command_line(tenant, "runs", "fork", run.view.id, "--from", chosen or "TASK"),
    }


def _posted_values(tenant: TenantDatabase, run: ShownRun, from_task: str, texts: Mapping[str, str]) -> dict[str, Any]:
    """Build what the template sees of a form that was posted."""
    command = _command(tenant, run, from_task, texts)
    return _form_values(tenant, run, from_task) | {"values_text": texts["values"], "command": command}


def _command(tenant: TenantDatabase, run: ShownRun, from_task: str, texts: Mapping[str, str]) -> str:
    """Return the command line of a fork with these values; "" for values that cannot be, or are too long for one."""
    edits, _ = _read_edits(run, from_task, texts)
    if edits is None:
        return ""
    edited = read_json(texts["values"] or "{}")
    sets = [word for name in edits.values for word in ("--set", f"{name}={write_json(edited[name])}")]
    unset = [word for name in edits.removed for word in ("--unset", name)]
    text = command_line(tenant, "runs", "fork", run.view.id, "--from", from_task, *sets, *unset)
    return text if len(text) <= MAX_COMMAND_CHARACTERS else ""


def _read_edits(run: ShownRun, from_task: str, texts: Mapping[str, str]) -> tuple[ValueEdits | None, str]:
    """Read the edited values; None with what is wrong with them."""
    try:
        edited, shown = read_json(texts["values"] or "{}"), read_json(texts["shown"] or "[]")
    except ValueError as error:
        return None, f"This is no JSON: {error}"
    if not isinstance(edited, dict) or not isinstance(shown, list):
        return None, 'The values are one JSON object: {"name": value}'
    if from_task not in run.marks:  # the fork itself says it, with names that come close
        return ValueEdits({}, ()), ""
    try:
        return find_edits(run.view, from_task, edited, [name for name in shown if isinstance(name, str)]), ""
    except (InvalidArgument, DecodingError) as error:
        return None, f"{error.message}{f' ({error.hint})' if error.hint else ''}"
