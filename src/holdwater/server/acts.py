"""Acts of forms: they are done, and the browser goes on to a page that says what came of them."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Request, Response

from holdwater.errors import HoldwaterError
from holdwater.operations.databases import Database
from holdwater.server.errors import status_and_code
from holdwater.server.notices import Notice, redirect_with
from holdwater.server.refusals import ERROR_CODE
from holdwater.server.rendering import root_of
from holdwater.server.tenant_database import TenantDatabase


def act_and_redirect(request: Request, url: str, act: Callable[[], Notice], *, failed_url: str = "") -> Response:
    """Do something, and go on to a page with its notice; with that of its error to `failed_url`, or the same page."""
    try:
        notice = act()
    except HoldwaterError as error:
        request.scope[ERROR_CODE] = status_and_code(error)[1]
        return redirect_with(request, failed_url or url, Notice(error.message, "bad", error.hint))
    return redirect_with(request, url, notice)


def writable_database(tenant: TenantDatabase) -> Database:
    """Return the database of a tenant, to be changed.  Raises StoreReadOnly."""
    return Database.of(tenant.engine)


def page_url(request: Request, tenant: TenantDatabase, path: str) -> str:
    """Return the URL of a page: `path` below `/ui/TENANT`, with its slash."""
    return f"{root_of(request)}/ui/{tenant.tenant}{path}"
