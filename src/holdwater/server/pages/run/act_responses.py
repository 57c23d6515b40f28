"""Responses of acts: a form as a page or as a dialog, the run's page with a notice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import Request, Response
from starlette.datastructures import FormData

from holdwater.errors import HoldwaterError
from holdwater.runs.info import RunInfo
from holdwater.server.acts import page_url
from holdwater.server.errors import status_and_code
from holdwater.server.notices import Notice, redirect_with
from holdwater.server.rendering import render, render_fragment
from holdwater.server.tenant_database import TenantDatabase

DIALOG_HEADER: Final = "x-holdwater-dialog"
"""of a form that the module of the page has posted: it shows the answer in the dialog"""


def form_response(
    request: Request,
    tenant: TenantDatabase,
    run: RunInfo,
    fields: str,
    values: Mapping[str, Any],
    *,
    is_dialog: bool = False,
    error: HoldwaterError | None = None,
    status_code: int = 400,
) -> Response:
    """Show a form.  `fields`: name of the template of its fields.  `error`: of the act that was refused.

    `status_code`: of a form that is shown again because of its fields.
    """
    shown = {
        "section": "runs",
        "run": run,
        "fields": f"run/{fields}.html",
        "error": None if error is None else error.message,
        "hint": "" if error is None else error.hint,
        **values,
    }
    status = 200 if error is None and not shown.get("is_invalid") else status_code
    if error is not None:
        status, _ = status_and_code(error)
    if is_dialog or DIALOG_HEADER in request.headers:
        # 200 also for a refusal: the module shows it, and a browser would log another status as an error of the page
        return render_fragment(request, "run/act_dialog.html", tenant, **shown)
    return render(request, "run/act.html", tenant, status_code=status, **shown)


def wants_command(form: FormData) -> bool:
    """Return True if nothing is to be done: the module of the page asks for the command line of a form's fields."""
    return form.get("only") == "command"


def command_response(request: Request, tenant: TenantDatabase, command: str) -> Response:
    """Show a command line; an empty one where none does the same."""
    return render_fragment(request, "run/act_command.html", tenant, command=command)


def success_response(request: Request, tenant: TenantDatabase, path: str, notice: Notice) -> Response:
    """Go on to a page, `path` below `/ui/TENANT`, with a notice."""
    response = redirect_with(request, page_url(request, tenant, path), notice)
    if DIALOG_HEADER in request.headers:
        response.status_code = 204  # the module goes there itself: a followed redirect would use up the notice
    return response
