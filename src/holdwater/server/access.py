"""The caller of a request, and the policies that find out who may look and who may change.

A browser on the same machine has a session (`sessions.py`), a program a bearer token; an application that mounts the UI
decides by a function of its own.
"""

from __future__ import annotations

import inspect
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from starlette.requests import Request
from starlette.responses import Response

from holdwater.model.time import Micros
from holdwater.server.open_requests import OpenRequests
from holdwater.server.refusals import TENANT_DENIED, RequestError

Role = Literal["read", "write", "admin"]
"""each may what those before it may"""
RouteRole = Literal["any", "read", "write", "admin", "god"]
"""of an endpoint: any caller, one with a role in the tenant of the path, or an administrator of the server"""
ROLES: Final[tuple[Role, ...]] = ("read", "write", "admin")
AccessFunction = Callable[[Request], "Role | Awaitable[Role | None] | None"]

CALLER: Final = "holdwater.caller"
"""key of the caller in the ASGI scope of a request"""
CSRF_COOKIE: Final = "holdwater-csrf"
CSRF_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller who may look, or look and change.  `csrf`: the token of forms.

    `is_ambient`: the browser identifies itself, whichever page has caused the request; so a request that changes must
    prove that it comes from a page of ours.
    """

    role: Role
    csrf: str = ""
    is_ambient: bool = True
    tenant: str | None = None
    """the only tenant the role is in; None: every tenant that the application serves, "" for none"""
    is_god: bool = False
    """may what is above tenants: creating and removing them, and keys without one"""
    author: str = ""
    """recorded with what it asks for, as `key:ID`; "": `api` for a program, `ui` for a browser"""
    key_id: str = ""
    """of its key, or of the key its session began with; "" where there are no keys"""
    key_name: str = ""
    expires_at: Micros | None = None
    """of the key; None: never"""
    ends_at: Micros | None = None
    """the instant from which it has no access any more: its session may end before its key; None: no such instant"""
    subjects: tuple[str, ...] = ()
    """the key and the session, as their revocations name them"""

    def role_in(self, tenant: str) -> Role | None:
        """Return the role in a tenant, None without one."""
        return self.role if self.tenant is None or self.tenant == tenant else None

    def may(self, role: Role) -> bool:
        """Return True if its role includes another one."""
        return ROLES.index(self.role) >= ROLES.index(role)


STRANGER: Final = Caller("read", tenant="")
"""the caller of what needs no access: it sees error pages and nothing else"""


def caller_of(request: Request) -> Caller:
    """Return the caller of a request, as the policy has found out."""
    found: Caller = request.scope.get(CALLER, STRANGER)
    return found


def author_of(request: Request) -> str:
    """Return the author of what a request asks for: `key:ID`, or `api` and `ui` where there are no keys."""
    caller = caller_of(request)
    return caller.author or ("ui" if caller.is_ambient else "api")


def check_role(request: Request, needed: RouteRole) -> None:
    """Check that the caller may use an endpoint.  Raises RequestError (403)."""
    caller = caller_of(request)
    tenant = request.path_params.get("tenant")
    if tenant is not None:
        check_tenant(request, tenant)
    if needed == "any":
        return
    if needed == "god":
        if not caller.is_god:
            raise RequestError(403, "this needs a key of an administrator of the server", code="admin_required")
    elif not caller.may(needed):
        if needed == "admin":
            raise RequestError(403, "this needs a key with the role admin", code="admin_required")
        raise RequestError(403, "this access is read-only: nothing can be changed with it")


def check_tenant(request: Request, tenant: str) -> None:
    """Check that the caller has a role in a tenant, whether or not there is one.  Raises RequestError (403)."""
    if caller_of(request).role_in(tenant) is None:
        raise RequestError(403, "there is no access to this tenant with this key", code=TENANT_DENIED)


class AccessPolicy(Protocol):
    """Finds out who calls."""

    @property
    def sign_in_hint(self) -> str:
        """Advice for a caller without access."""
        ...

    @property
    def login_path(self) -> str | None:
        """The page where a browser signs in, below the root; None: there is none."""
        ...

    @property
    def host_hint(self) -> str:
        """Advice for a caller that uses another host name."""
        ...

    @property
    def open_requests(self) -> OpenRequests:
        """The requests that are under way."""
        ...

    def check_host(self, request: Request) -> bool:
        """Return False for a host name that is not the server's."""
        ...

    async def identify(self, request: Request) -> Caller | None:
        """Return the caller, None if it has no access."""
        ...

    def sign_in(self, request: Request) -> Response | None:
        """Respond to a request that signs a browser in; None for every other one."""
        ...

    def after(self, request: Request, caller: Caller) -> str | None:
        """Return a `Set-Cookie` header for the response to a caller, if it needs one."""
        ...


class MountedAccess:
    """Access to an application that is mounted in another one, which decides.

    The token of forms is in a cookie, too: only a page of the same site can send both (double submit), and it is the
    same in every process of the application.
    """

    sign_in_hint: Final = "sign in to the application that this is a part of"
    login_path: Final = None
    host_hint: Final = ""

    def __init__(self, access: AccessFunction) -> None:
        self._access = access
        self.open_requests = OpenRequests()

    def check_host(self, request: Request) -> bool:
        """Accept every host name: they are the outer application's to check."""
        return True

    async def identify(self, request: Request) -> Caller | None:
        """Ask the application's function.  Raises TypeError for an answer that is no role."""
        answer = self._access(request)
        role = await answer if inspect.isawaitable(answer) else answer
        if role is None:
            return None
        if role not in ROLES:
            raise TypeError(f"access returned {role!r}: it returns 'read', 'write', 'admin' or None")
        return Caller(role, _csrf_cookie(request) or secrets.token_urlsafe(32))

    def sign_in(self, request: Request) -> Response | None:
        """Do nothing: signing in is the outer application's."""
        return None

    def after(self, request: Request, caller: Caller) -> str | None:
        """Give a browser its token of forms."""
        if _csrf_cookie(request):
            return None
        path = str(request.scope.get("root_path", "")) or "/"
        secure = "; Secure" if request.url.scheme == "https" else ""
        return f"{CSRF_COOKIE}={caller.csrf}; Path={path}; HttpOnly; SameSite=Strict{secure}"


def _csrf_cookie(request: Request) -> str | None:
    """Return the token in the cookie, if it has the form of one of ours."""
    found = request.cookies.get(CSRF_COOKIE, "")
    return found if CSRF_TOKEN.fullmatch(found) else None
