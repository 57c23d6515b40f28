"""Concurrency limits: how many tasks may run at once, and which hold places."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse

from holdwater.errors import InvalidArgument
from holdwater.operations.limits import list_limits, remove_limit, set_limit
from holdwater.server.access import author_of, caller_of
from holdwater.server.acts import act_and_redirect, page_url, writable_database
from holdwater.server.command_lines import command_line
from holdwater.server.form_posts import PostedForm
from holdwater.server.notices import Notice
from holdwater.server.page_roles import for_admins
from holdwater.server.rendering import render, render_fragment
from holdwater.server.tenant_database import Tenant

router = APIRouter()

MAX_KEY_CHARS: Final = 1_000
MAX_DIGITS: Final = 9
SHOWN_HOLDERS: Final = 5


@router.get("/limits")
def limits_page(request: Request, tenant: Tenant, fragment: str = "") -> HTMLResponse:
    """Show the limits, and names that tasks give without one."""
    values: dict[str, Any] = {
        "limits": list_limits(tenant.database),
        "can_set": caller_of(request).may("admin") and not tenant.is_read_only,
        "shown_holders": SHOWN_HOLDERS,
    }
    if fragment == "rows":
        return render_fragment(request, "ops/limit_rows.html", tenant, section="ops", **values)
    command = command_line(tenant, "limits", "set", "openai", "3")
    return render(request, "ops/limits.html", tenant, section="ops", **values, command=command)


@router.post("/limits", dependencies=[Depends(for_admins)], name="set_limit")
def set_limit_by_form(request: Request, tenant: Tenant, posted: PostedForm) -> Response:
    """Set a limit."""
    key, number = _text(posted, "key"), _text(posted, "max")

    def act() -> Notice:
        if not number.isdecimal() or len(number) > MAX_DIGITS:
            raise InvalidArgument(f"{number[:20]!r} is no number of tasks", hint="0 lets none begin")
        limit = set_limit(writable_database(tenant), key, int(number), by=author_of(request))
        return Notice(f"At most {limit.max_running} tasks of {limit.key} run at once; those that run already go on.")

    return act_and_redirect(request, page_url(request, tenant, "/limits"), act)


@router.post("/limits/remove", dependencies=[Depends(for_admins)], name="remove_limit")
def remove_limit_by_form(request: Request, tenant: Tenant, posted: PostedForm) -> Response:
    """Remove a limit: the tasks that wait for a place begin."""
    key = _text(posted, "key")

    def act() -> Notice:
        remove_limit(writable_database(tenant), key)
        return Notice(f"{key} has no limit any more: tasks that waited for it begin.")

    return act_and_redirect(request, page_url(request, tenant, "/limits"), act)


def _text(posted: PostedForm, name: str) -> str:
    return str(posted.get(name, "")).strip()[:MAX_KEY_CHARS]
