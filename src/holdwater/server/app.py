"""The web application of one database: pages, API and static files; served by `holdwater ui`, or mounted elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from fastapi import FastAPI
from fastapi.responses import RedirectResponse
from starlette.requests import Request
from starlette.staticfiles import StaticFiles

from holdwater import __version__
from holdwater.server.pages import PAGE_ROUTERS
from holdwater.server.routes import API_ROUTERS
from holdwater.server.tenant_database import TenantDatabase

STATIC_DIRECTORY: Final = "static"


def app_for(url: str, *, read_only: bool = False) -> FastAPI:
    """Create an application on a database.

    Raises DatabaseNotFound, DatabaseURLError, StoreUnavailable, SchemaTooNew.
    """
    return create_app(TenantDatabase.open(url, read_only=read_only))


def create_app(tenant_database: TenantDatabase) -> FastAPI:
    """Create an application, which closes the database at its end."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        tenant_database.close()

    app = FastAPI(title="Holdwater", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.tenant_database = tenant_database
    for router in API_ROUTERS:
        app.include_router(router, prefix="/v1/tenants/{tenant}")
    for router in PAGE_ROUTERS:
        app.include_router(router, prefix="/ui/{tenant}", include_in_schema=False)
    app.mount("/static", StaticFiles(packages=[("holdwater.server", STATIC_DIRECTORY)]), name="static")

    @app.get("/", include_in_schema=False)
    @app.get("/ui", include_in_schema=False)
    def home(request: Request) -> RedirectResponse:
        root = request.scope.get("root_path", "").rstrip("/")
        return RedirectResponse(f"{root}/ui/{tenant_database.tenant}/runs")

    return app
