"""The web application of one database: pages, API and static files; served by `holdwater ui`, or mounted elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import APIRouter, Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware

from holdwater import __version__
from holdwater.engine import Engine
from holdwater.errors import HoldwaterError
from holdwater.server import openapi, static_files
from holdwater.server.access import AccessFunction, AccessPolicy, MountedAccess
from holdwater.server.control.tables import ServerTables
from holdwater.server.errors import holdwater_error_response, http_error_response, validation_error_response
from holdwater.server.form_posts import check_csrf
from holdwater.server.health_checks import HealthChecks, SharedCheck, TenantsHealth
from holdwater.server.pages import ADMINISTRATION_ROUTERS, PAGE_ROUTERS, SERVER_PAGE_ROUTERS, home
from holdwater.server.request_guard import RequestGuard
from holdwater.server.routes import API_ROUTERS, audit, graph_health, health, installation, keys, not_offered, sockets
from holdwater.server.routes import tenants as tenant_routes
from holdwater.server.sockets.guard import SocketGuard
from holdwater.server.tenant_database import OneTenant, TenantDatabase, Tenants

MIN_COMPRESSED_BYTES: Final = 1000
COMPRESSION_LEVEL: Final = 6
"""the default of zlib"""
API_PREFIX: Final = "/v1/tenants/{tenant}"


def app_for(runner_or_url: Any, *, access: AccessFunction, read_only: bool = False) -> FastAPI:
    """Create an application to mount in another one: `app.mount("/workflows", app_for(runner, access=...))`.

    `runner_or_url`: a runner that is open as long as the application is, or the URL of a database.  `access`: called
    with each request; returns "read", "write" or None, or an awaitable of it.

    Raises TypeError for what is neither, DatabaseNotFound, DatabaseURLError, StoreUnavailable, SchemaTooNew.
    """
    if isinstance(runner_or_url, str):
        tenant_database = TenantDatabase.open(runner_or_url, read_only=read_only)
    else:
        tenant_database = TenantDatabase.of(_engine_of(runner_or_url), read_only=read_only)
    return create_app(OneTenant(tenant_database), MountedAccess(access))


def _engine_of(runner: Any) -> Engine:
    engine = runner if isinstance(runner, Engine) else getattr(runner, "_engine", None)
    if not isinstance(engine, Engine):
        raise TypeError(f"app_for takes a runner or the URL of a database, not {type(runner).__name__}")
    return engine


def create_app(
    tenants: Tenants,
    policy: AccessPolicy,
    *,
    has_pages: bool = True,
    control: ServerTables | None = None,
    legacy_lists: bool = False,
    health_checks: HealthChecks | None = None,
    server_routers: Sequence[APIRouter] = (),
) -> FastAPI:
    """Create an application, which closes the databases of the tenants at its end.

    `has_pages`: with the web UI.  `control`, `server_routers`: the tables of a server of many tenants, and what it has
    beside the others.  `health_checks`: None for those of a database.
    `legacy_lists`: answers as clients of Cloacina's server expect them: lists have their names, too, and what is no
    UUID is not the id of a run that is not found, but a bad request.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        tenants.start()
        yield
        tenants.close()

    app = FastAPI(
        title="Holdwater",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # `http_error_response` says what to leave out
        lifespan=lifespan,
        generate_unique_id_function=lambda route: route.name,
        exception_handlers={
            HoldwaterError: holdwater_error_response,
            HTTPException: http_error_response,
            RequestValidationError: validation_error_response,
        },
    )
    app.state.tenants, app.state.policy, app.state.control = tenants, policy, control
    app.state.legacy_lists = legacy_lists
    checks = health_checks or TenantsHealth(tenants)
    app.state.trouble, app.state.obstacle = SharedCheck(checks.find_trouble), SharedCheck(checks.find_obstacle)
    app.add_middleware(GZipMiddleware, minimum_size=MIN_COMPRESSED_BYTES, compresslevel=COMPRESSION_LEVEL)
    app.add_middleware(RequestGuard, policy=policy)
    app.add_middleware(SocketGuard, policy=policy)
    app.openapi = lambda: openapi.describe_api(app)  # type: ignore[method-assign]
    app.include_router(health.router)
    app.include_router(openapi.router)
    if tenants.only is not None:
        app.include_router(installation.server_router)
    for router in server_routers:
        app.include_router(router)
    app.include_router(graph_health.router)
    app.include_router(not_offered.router)
    app.include_router(tenant_routes.router)
    app.include_router(sockets.router)
    for router in API_ROUTERS if control is None else (*API_ROUTERS, keys.tenant_router, audit.tenant_router):
        app.include_router(router, prefix=API_PREFIX)
    if control is not None:
        app.include_router(keys.router)
        app.include_router(audit.router)
    if has_pages:
        _add_pages(app)
    return app


def _add_pages(app: FastAPI) -> None:
    for router in SERVER_PAGE_ROUTERS:  # before those of tenants, whose names are in the same place of a path
        app.include_router(router, prefix="/ui", include_in_schema=False)
    app.include_router(home.router, include_in_schema=False)
    for router in ADMINISTRATION_ROUTERS:
        app.include_router(router, prefix="/ui/{tenant}", include_in_schema=False)
    for router in PAGE_ROUTERS:
        app.include_router(router, prefix="/ui/{tenant}", include_in_schema=False, dependencies=[Depends(check_csrf)])
    app.include_router(static_files.router)
