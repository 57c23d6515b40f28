"""An application of many tenants whose callers have keys: databases and sessions in this process."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from starlette.requests import Request
from starlette.responses import Response

from holdwater.errors import TenantNotFound
from holdwater.server.access import Caller
from holdwater.server.app import create_app
from holdwater.server.open_requests import OpenRequests
from holdwater.server.refusals import RequestError
from holdwater.server.tenant_database import TenantDatabase
from tests.server.live import Live, serve_app

COOKIE = "session-of-the-tests"
MAX_FAILED = 3


@dataclass
class Tenancy:
    """Tenants that are all open.  `Tenants` of an application."""

    databases: dict[str, TenantDatabase]
    default: str = "public"
    only: None = None

    def borrow(self, name: str) -> TenantDatabase:
        if name not in self.databases:
            raise TenantNotFound(f"there is no tenant {name!r}")
        return self.databases[name]

    def borrow_awake(self, name: str) -> TenantDatabase:
        return self.borrow(name)

    def names(self) -> Sequence[str]:
        return sorted(self.databases)

    def give_back(self, tenant: TenantDatabase) -> None: ...

    def check_ready(self) -> None: ...

    def close_streams_soon(self) -> None:
        for database in self.databases.values():
            database.streams.close_soon()

    def start(self) -> None:
        for database in self.databases.values():
            database.start()

    def close(self) -> None:
        for database in self.databases.values():
            database.close()


@dataclass
class Keyed:
    """An access policy.  `keys`: their callers; `sessions`: of browsers, by the value of the cookie."""

    keys: dict[str, Caller]
    sessions: dict[str, Caller] = field(default_factory=dict)
    failed: int = 0
    sign_in_hint: str = "send a key"
    host_hint: str = ""
    login_path: str | None = "/ui/login"
    open_requests: OpenRequests = field(default_factory=OpenRequests)

    def check_host(self, request: Request) -> bool:
        return True

    async def identify(self, request: Request) -> Caller | None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if given:
            return self.keys.get(given)
        return self.sessions.get(request.cookies.get(COOKIE, ""))

    def sign_in(self, request: Request) -> Response | None:
        return None

    def after(self, request: Request, caller: Caller) -> str | None:
        return None

    async def open_session(self, request: Request, key: str, *, read_only: bool) -> str:
        if self.failed >= MAX_FAILED:
            raise RequestError(429, "too many attempts from this address", headers={"retry-after": "60"})
        caller = self.keys.get(key)
        if caller is None:
            self.failed += 1
            raise RequestError(401, "no such key")
        id_ = secrets.token_urlsafe(32)
        role = "read" if read_only else caller.role
        self.sessions[id_] = replace(caller, role=role, csrf=secrets.token_urlsafe(32), is_ambient=True)
        return f"{COOKIE}={id_}; Path=/; HttpOnly; SameSite=Strict"

    async def end_session(self, request: Request) -> str:
        self.sessions.pop(request.cookies.get(COOKIE, ""), None)
        return f"{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"


GOD, ACME, READER = "key-of-god-" + "x" * 32, "key-of-acme-" + "x" * 32, "key-of-a-reader-" + "x" * 32


def keys() -> dict[str, Caller]:
    """Keys of an administrator of the server, an administrator of the tenant acme, and a reader of it."""
    return {
        GOD: Caller("admin", is_ambient=False, is_god=True, author="key:god"),
        ACME: Caller("admin", is_ambient=False, tenant="acme", author="key:acme"),
        READER: Caller("read", is_ambient=False, tenant="acme", author="key:reader"),
    }


@contextmanager
def serve_tenants(urls: dict[str, str]) -> Iterator[tuple[Live, Keyed]]:
    """Serve databases by the names of their tenants."""
    policy = Keyed(keys())
    tenancy = Tenancy({name: TenantDatabase.open(url, tenant=name) for name, url in urls.items()})
    with serve_app(create_app(tenancy, policy)) as live:
        yield live, policy
