"""The tenants of a server: the list, one with its settings, making and removing one."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse

from holdwater.errors import HoldwaterError, InvalidArgument
from holdwater.model.records import CappedCount, RunFilter
from holdwater.model.statuses import ACTIVE_STATUSES
from holdwater.operations.releases import list_releases
from holdwater.operations.runs import count_runs
from holdwater.operations.tenants import TenantConfig
from holdwater.server.acts import act_and_redirect
from holdwater.server.auditing import audit_facts
from holdwater.server.command_lines import server_command_line
from holdwater.server.form_posts import PostedForm, check_token
from holdwater.server.notices import Notice
from holdwater.server.presentation import pluralize
from holdwater.server.rendering import render, root_of
from holdwater.server.tenant_administration import administration_of
from holdwater.server.tenant_database import DEFAULT_TENANT, TenantDatabase, tenants_of

router = APIRouter(dependencies=[Depends(check_token)])

PAGE_TENANTS: Final = 200
MAX_FIELD_CHARS: Final = 2_000
SIGNATURES: Final[dict[str, bool | None]] = {"server": None, "required": True, "optional": False}
"""word of a form -> `require_signatures` of the tenant"""


@router.get("/tenants")
def tenants_page(request: Request, text: str = "", after: str = "") -> HTMLResponse:
    """List the tenants.  `text`: in their names; `after`: the tenant at the end of the page before."""
    rows = administration_of(request).list()
    found = [row for row in rows if text.strip().lower() in row.name.lower()]
    first = next((k + 1 for k, row in enumerate(found) if row.name == after), 0)
    shown = found[first : first + PAGE_TENANTS]
    return render(
        request, "admin/tenants.html", section="admin/tenants", rows=shown, text=text, after=after, total=len(rows),
        found=len(found), more=shown[-1].name if len(found) > first + PAGE_TENANTS else None,
        create_command=server_command_line(request, "tenants", "create", "NAME"),
    )  # fmt: skip


@router.get("/tenants/new")
def new_tenant_page(request: Request) -> HTMLResponse:
    """Show the form of a new tenant."""
    return _show_form(request, "", "")


@router.post("/tenants/new", name="create_tenant")
def create_tenant(request: Request, posted: PostedForm) -> HTMLResponse:
    """Make a tenant, and show the password of its role, this once."""
    name, description = _text(posted, "name"), _text(posted, "description")
    try:
        made = administration_of(request).create(TenantConfig(name, name), description, audit_facts(request))
    except HoldwaterError as error:
        return _show_form(request, name, description, error)
    return render(
        request, "admin/tenant_created.html", status_code=201, section="admin/tenants", name=name, credentials=made,
        key_command=server_command_line(request, "keys", "create", "NAME", "--role", "write", "--tenant", name),
    )  # fmt: skip


def _show_form(request: Request, name: str, description: str, error: HoldwaterError | None = None) -> HTMLResponse:
    return render(
        request, "admin/tenant_form.html", status_code=200 if error is None else 400, section="admin/tenants",
        name=name, description=description, error=error,
        command=server_command_line(request, "tenants", "create", name or "NAME"),
    )  # fmt: skip


@router.get("/tenants/{tenant}")
def tenant_page(request: Request, tenant: str) -> HTMLResponse:
    """Show a tenant with what is in it, and its settings."""
    row = administration_of(request).get(tenant)
    values: dict[str, Any] = {
        "section": "admin/tenants",
        "row": row,
        "signatures": next(word for word, value in SIGNATURES.items() if value is row.require_signatures),
        "is_signature_required": administration_of(request).requires_signature(tenant),
        "is_public": tenant == DEFAULT_TENANT,
        "commands": {verb: server_command_line(request, "tenants", verb, tenant) for verb in ("upgrade", "remove")},
    }
    borrowed = tenants_of(request).borrow(tenant)
    try:
        database = borrowed.database
        values |= {
            "open_runs": _count_open_runs(borrowed),
            "releases": len([one for one in list_releases(database) if one.state != "gone"]),
            "facts": database.store.inspect(),
        }
    finally:
        tenants_of(request).give_back(borrowed)
    return render(request, "admin/tenant.html", **values)


def _count_open_runs(tenant: TenantDatabase) -> str:
    counts = count_runs(tenant.database.runs, RunFilter(statuses=ACTIVE_STATUSES))
    return str(sum(counts.values(), CappedCount(0)))


@router.post("/tenants/{tenant}", name="change_tenant")
def change_tenant(request: Request, tenant: str, posted: PostedForm) -> Response:
    """Change its description, and whether its packages must be signed."""

    def act() -> Notice:
        choice = _text(posted, "signatures")
        if choice not in SIGNATURES:
            raise InvalidArgument("signatures are required, optional, or as the server wants them")
        administration_of(request).change(
            tenant, audit_facts(request), description=_text(posted, "description"), signatures=(SIGNATURES[choice],)
        )
        return Notice("The settings are kept.")

    return act_and_redirect(request, _url(request, f"/{tenant}"), act)


@router.post("/tenants/{tenant}/upgrade", name="upgrade_tenant")
def upgrade_tenant(request: Request, tenant: str) -> Response:
    """Bring its tables to the version of this server."""

    def act() -> Notice:
        is_changed = administration_of(request).upgrade(tenant)
        return Notice(f"The tables of {tenant} are up to date{'' if is_changed else ', and were before'}.")

    return act_and_redirect(request, _url(request, f"/{tenant}"), act)


@router.post("/tenants/{tenant}/remove", name="remove_tenant")
def remove_tenant(request: Request, tenant: str, posted: PostedForm) -> Response:
    """Remove it with everything in it, if its name was written."""

    def act() -> Notice:
        if _text(posted, "confirm") != tenant:
            raise InvalidArgument("the name that was written is not that of the tenant: nothing was removed")
        removed = administration_of(request).remove(tenant, audit_facts(request), force=bool(posted.get("force")))
        return Notice(f"The tenant {tenant} is removed; {pluralize(removed.revoked_keys, 'key')} of it revoked.")

    return act_and_redirect(request, _url(request, ""), act, failed_url=_url(request, f"/{tenant}"))


def _text(posted: PostedForm, name: str) -> str:
    return str(posted.get(name, "")).strip()[:MAX_FIELD_CHARS]


def _url(request: Request, path: str) -> str:
    return f"{root_of(request)}/ui/admin/tenants{path}"
