"""API keys: of a tenant for its administrators, and of the whole server."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse

from holdwater.server.form_posts import PostedForm, check_token
from holdwater.server.page_roles import for_admins
from holdwater.server.pages.key_pages import KeyPages
from holdwater.server.tenant_database import Tenant

router = APIRouter(dependencies=[Depends(for_admins), Depends(check_token)])


@router.get("/keys")
def keys_page(request: Request, tenant: Tenant) -> HTMLResponse:
    """List the keys of a tenant."""
    return KeyPages(request, tenant).show_list()


@router.get("/keys/new")
def new_key_page(request: Request, tenant: Tenant) -> HTMLResponse:
    """Show the form of a new key."""
    return KeyPages(request, tenant).show_form()


@router.post("/keys/new", name="create_key")
def create_key(request: Request, tenant: Tenant, posted: PostedForm) -> HTMLResponse:
    """Make a key, and show it, this once."""
    return KeyPages(request, tenant).create(posted)


@router.get("/keys/{key_id}")
def key_page(request: Request, tenant: Tenant, key_id: str) -> HTMLResponse:
    """Show a key, and what can be done with it."""
    return KeyPages(request, tenant).show(key_id)


@router.post("/keys/{key_id}/rotate", name="rotate_key")
def rotate_key(request: Request, tenant: Tenant, key_id: str, posted: PostedForm) -> HTMLResponse:
    """Make a key in the place of another one, and show it, this once."""
    return KeyPages(request, tenant).rotate(key_id, posted)


@router.post("/keys/{key_id}/revoke", name="revoke_key")
def revoke_key(request: Request, tenant: Tenant, key_id: str) -> Response:
    """Accept a key no more."""
    return KeyPages(request, tenant).revoke(key_id)
