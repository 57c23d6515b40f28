"""Secrets: what is known of them, writing and removing one.  A text is never shown."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse

from holdwater.model.secrets import DEFAULT_FIELD
from holdwater.operations.secrets import list_secrets, put_secret, remove_secret
from holdwater.server.access import author_of
from holdwater.server.acts import act_and_redirect, page_url, writable_database
from holdwater.server.command_lines import command_line
from holdwater.server.form_posts import PostedForm
from holdwater.server.notices import Notice
from holdwater.server.page_roles import for_admins
from holdwater.server.rendering import render
from holdwater.server.tenant_database import Tenant

router = APIRouter(dependencies=[Depends(for_admins)])


@router.get("/secrets")
def secrets_page(request: Request, tenant: Tenant) -> HTMLResponse:
    """Show the names of the secrets, and of their fields."""
    return render(
        request, "ops/secrets.html", tenant, section="ops", secrets=list_secrets(tenant.database),
        default_field=DEFAULT_FIELD, command=command_line(tenant, "secrets", "set", "smtp"),
    )  # fmt: skip


@router.post("/secrets", name="set_secret")
def set_secret(request: Request, tenant: Tenant, posted: PostedForm) -> Response:
    """Write a secret with one field."""
    name, field = [str(posted.get(key, "")).strip() for key in ("name", "field")]
    text = str(posted.get("text", ""))

    def act() -> Notice:
        put_secret(writable_database(tenant), name, {field or DEFAULT_FIELD: text}, by=author_of(request))
        return Notice(f"The secret {name} is set. Tasks that ask for it from now on get this text.")

    return act_and_redirect(request, page_url(request, tenant, "/secrets"), act)


@router.post("/secrets/remove", name="remove_secret")
def remove_secret_by_form(request: Request, tenant: Tenant, posted: PostedForm) -> Response:
    """Remove a secret."""
    name = str(posted.get("name", "")).strip()

    def act() -> Notice:
        remove_secret(writable_database(tenant), name)
        return Notice(f"The secret {name} is removed: tasks that ask for it fail.")

    return act_and_redirect(request, page_url(request, tenant, "/secrets"), act)
