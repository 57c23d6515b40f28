"""All keys of the server."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse

from holdwater.server.form_posts import PostedForm, check_token
from holdwater.server.pages.key_pages import KeyPages

router = APIRouter(dependencies=[Depends(check_token)])


@router.get("/keys")
def server_keys_page(request: Request) -> HTMLResponse:
    """List the keys of all tenants, and those of the server."""
    return KeyPages(request, None).show_list()


@router.get("/keys/new")
def new_server_key_page(request: Request) -> HTMLResponse:
    """Show the form of a new key."""
    return KeyPages(request, None).show_form()


@router.post("/keys/new", name="create_key")
def create_server_key(request: Request, posted: PostedForm) -> HTMLResponse:
    """Make a key, and show it, this once."""
    return KeyPages(request, None).create(posted)


@router.get("/keys/{key_id}")
def server_key_page(request: Request, key_id: str) -> HTMLResponse:
    """Show a key, and what can be done with it."""
    return KeyPages(request, None).show(key_id)


@router.post("/keys/{key_id}/rotate", name="rotate_key")
def rotate_server_key(request: Request, key_id: str, posted: PostedForm) -> HTMLResponse:
    """Make a key in the place of another one, and show it, this once."""
    return KeyPages(request, None).rotate(key_id, posted)


@router.post("/keys/{key_id}/revoke", name="revoke_key")
def revoke_server_key(request: Request, key_id: str) -> Response:
    """Accept a key no more."""
    return KeyPages(request, None).revoke(key_id)
