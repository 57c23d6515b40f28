"""Access to a server of many tenants: API keys of programs, and sessions of browsers that signed in with one."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from fastapi.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from holdwater.model.time import Micros
from holdwater.server.access import Caller
from holdwater.server.access_cache import AccessCache
from holdwater.server.client_addresses import address_of
from holdwater.server.control.audit import AuditFacts
from holdwater.server.control.key_text import ID_PATTERN, digest_of
from holdwater.server.control.keys import ApiKey
from holdwater.server.control.sessions import SESSION_SECONDS, csrf_token, subject_of
from holdwater.server.control.tables import ServerTables
from holdwater.server.errors import REQUEST_ID
from holdwater.server.host_names import AllowedHosts, is_loopback_http
from holdwater.server.open_requests import OpenRequests
from holdwater.server.rate_limits import AccessLimits, RateLimits, too_many
from holdwater.server.refusals import RequestError
from holdwater.server.rendering import is_page, path_below_root

if TYPE_CHECKING:  # the driver of PostgreSQL: applications of one database work without it
    from holdwater.server.control.access_changes import AccessChanges

COOKIE: Final = "__Host-holdwater"
LOOPBACK_COOKIE: Final = "holdwater"
"""with the port behind it; without TLS a browser keeps no cookie of the other name"""
STREAM_PATH: Final = re.compile("/v1/tenants/[^/]+/(executions/.+/)?stream")
"""of the API, and for sessions, too: pages read them"""
_KEY_IN_URL: Final = re.compile(f"hw_{ID_PATTERN}_".encode())
_NO_KEY: Final = b""
"""looked up in the place of a key that is missing or malformed: it takes the time that a wrong one takes"""


class KeyAccess:
    """Access by keys and sessions.

    `bind`: the host it listens at.  `public_url`: its URL behind a proxy, "" for none.  `allowed_hosts`: further names
    in `Host` headers.
    """

    sign_in_hint: Final = "programs send a key as Authorization: Bearer KEY; browsers sign in at /ui/login"
    host_hint: Final = "name its hosts in config.toml: public_url or allowed_hosts of [server]"
    login_path: Final = "/ui/login"

    def __init__(
        self,
        tables: ServerTables,
        *,
        bind: str = "127.0.0.1",
        public_url: str = "",
        allowed_hosts: tuple[str, ...] = (),
        limits: AccessLimits | None = None,
    ) -> None:
        self._tables = tables
        self._now = tables.database.clock.now
        self._hosts = AllowedHosts(bind, public_url, allowed_hosts)
        self._cache = AccessCache()
        tables.on_access_ended = self._cache.expire
        self._changes: AccessChanges | None = None
        self.rates = RateLimits(limits or AccessLimits())
        self.open_requests = OpenRequests(limits, self._now)

    def start(self) -> None:
        """Listen to revocations by other servers."""
        from holdwater.server.control.access_changes import AccessChanges

        self._changes = AccessChanges(self._tables, self._end_access, self._look_again)

    def close(self) -> None:
        """Listen no more.  Idempotent."""
        if self._changes is not None:
            self._changes.close()

    # -- what every policy does

    def check_host(self, request: Request) -> bool:
        """Accept the names of this server."""
        return self._hosts.has(request)

    def sign_in(self, request: Request) -> Response | None:
        """Do nothing: there is a page for it."""
        return None

    def after(self, request: Request, caller: Caller) -> str | None:
        """Set no cookie: a browser has its session."""
        return None

    async def identify(self, request: Request) -> Caller | None:
        """Return the caller of a key or a session, None if it is not accepted.

        Raises RequestError (429) for a key that is used too often, or an address with too many wrong ones;
        StoreUnavailable.
        """
        given = request.headers.getlist("authorization")
        if given or not _takes_sessions(request):
            caller = await self._by_key(request, _bearer(given))
        else:
            caller = await self._by_session(request.cookies.get(self._cookie_name(request), ""))
        if caller is not None:
            self.rates.requests.check(caller.key_id, "this key is used too often")
        return caller

    # -- sessions

    async def open_session(self, request: Request, key: str, *, read_only: bool) -> str:
        """Begin a session with a key; returns the `Set-Cookie` header.

        Raises RequestError: 401 for a key that is not accepted, 429 after too many of them, 400 without TLS.
        """
        if request.headers.get("origin", "").startswith("http:") and not is_loopback_http(request):
            raise RequestError(
                400, "a browser keeps its session only over https", hint="put a proxy with TLS before the server"
            )
        caller = await self._by_key(request, key.encode(errors="surrogatepass"))
        if caller is None:
            raise RequestError(401, "this key was not accepted")
        found = await run_in_threadpool(self._tables.keys.get, caller.key_id)
        if found is None or not found.is_live(self._now()):
            raise RequestError(401, "this key was not accepted")
        facts = AuditFacts(found.author, str(request.scope.get(REQUEST_ID, "")), address_of(request))
        session_id = await run_in_threadpool(self._tables.sessions.create, found, facts, is_read_only=read_only)
        return self._cookie(request, session_id, int(SESSION_SECONDS))

    async def end_session(self, request: Request) -> str:
        """End the session of a request, if it has one; returns the `Set-Cookie` header that deletes it."""
        session_id = request.cookies.get(self._cookie_name(request), "")
        if session_id:
            await run_in_threadpool(self._tables.sessions.end, session_id)
            self._end_access(subject_of(session_id), Micros(0))
        return self._cookie(request, "", 0)

    def _cookie_name(self, request: Request) -> str:
        return f"{LOOPBACK_COOKIE}-{request.url.port or 80}" if is_loopback_http(request) else COOKIE

    def _cookie(self, request: Request, value: str, max_age_seconds: int) -> str:
        secure = "" if is_loopback_http(request) else "; Secure"
        name = self._cookie_name(request)
        return f"{name}={value}; Path=/; Max-Age={max_age_seconds}; HttpOnly; SameSite=Strict{secure}"

    # -- WebSockets

    async def caller_of_ticket(self, ticket: str) -> Caller | None:
        """Use a ticket up; returns its caller, None if it is not accepted.  Raises StoreUnavailable."""
        found = await run_in_threadpool(self._tables.tickets.take, ticket)
        return None if found is None else caller_of_key(found)

    async def caller_of_key_text(self, connection: HTTPConnection) -> Caller | None:
        """Return the caller of the `Authorization` header of a connection.  Raises RequestError (429)."""
        return await self._by_key(connection, _bearer(connection.headers.getlist("authorization")))

    # -- looking up

    async def _by_key(self, connection: HTTPConnection, text: bytes) -> Caller | None:
        if connection.url.query and _KEY_IN_URL.search(connection.scope["query_string"]):
            text = _NO_KEY  # it is in logs of proxies now
        digest = digest_of(text)
        caller = self._cache.fresh(digest)
        if caller is None:
            address = address_of(connection)
            is_counted = text != _NO_KEY and not self._cache.knows(digest)
            if is_counted and (wait_seconds := self.rates.failures.take(address)):
                raise too_many("too many keys that are not accepted came from this address", wait_seconds)
            is_refused = False
            try:
                caller = await self._look_up(digest, lambda: _find_key(self._tables, digest))
                is_refused = caller is None
            finally:
                if is_counted and not is_refused:  # also where the database could not tell
                    self.rates.failures.give_back(address)
        return self._live(digest, caller)

    async def _by_session(self, session_id: str) -> Caller | None:
        if not session_id:
            return None
        digest = digest_of(session_id)
        caller = self._cache.fresh(digest)
        if caller is None:
            caller = await self._look_up(digest, lambda: _find_session(self._tables, session_id))
        return self._live(digest, caller)

    async def _look_up(self, digest: bytes, find: Callable[[], Caller | None]) -> Caller | None:
        """Look a caller up, once more if something was revoked meanwhile."""
        while True:
            generation = self._cache.generation
            caller = await run_in_threadpool(find)
            if caller is None:
                self._cache.discard(digest)
                return None
            if self._cache.put(digest, caller, generation):
                return caller

    def _live(self, digest: bytes, caller: Caller | None) -> Caller | None:
        if caller is not None and caller.ends_at is not None and caller.ends_at <= self._now():
            self._cache.discard(digest)
            return None
        return caller

    # -- revocations, in the thread that listens

    def _end_access(self, subject: str, at: Micros) -> None:
        self._cache.forget(subject)
        self.open_requests.end_soon([subject], at)

    def _look_again(self) -> None:
        """Have everything that is accepted looked up again, and what is under way checked.  Raises StoreUnavailable."""
        self._cache.expire()
        subjects = self.open_requests.subjects()
        self.open_requests.end_soon([one for one in subjects if one.startswith("session:")])  # browsers connect again
        key_ids = [one.removeprefix("key:") for one in subjects if one.startswith("key:")]
        if key_ids:
            for key in self._tables.keys.get_many(key_ids):
                if key.ends_at is not None:
                    self.open_requests.end_soon([key.author], key.ends_at)


def caller_of_key(key: ApiKey) -> Caller:
    """Return the caller that a key stands for."""
    return Caller(
        key.role, is_ambient=False, tenant=key.home_tenant, is_god=key.is_god, author=key.author, key_id=key.id,
        key_name=key.name, expires_at=key.expires_at, ends_at=key.ends_at, subjects=(key.author,),
    )  # fmt: skip


def _find_key(tables: ServerTables, digest: bytes) -> Caller | None:
    key = tables.keys.find(digest)
    return None if key is None or key.revoked_at is not None else caller_of_key(key)


def _find_session(tables: ServerTables, session_id: str) -> Caller | None:
    session = tables.sessions.find(session_id)
    if session is None:
        return None
    key = session.key
    return Caller(
        "read" if session.is_read_only else key.role, csrf=csrf_token(session_id), tenant=key.home_tenant,
        is_god=key.is_god, author=key.author, key_id=key.id, key_name=key.name, expires_at=key.expires_at,
        ends_at=session.ends_at, subjects=(key.author, subject_of(session_id)),
    )  # fmt: skip


def _bearer(given: list[str]) -> bytes:
    """Return the key in the `Authorization` headers of a request, empty if there is not just one."""
    if len(given) != 1:
        return _NO_KEY
    scheme, _, text = given[0].encode("latin-1").partition(b" ")
    return text.strip() if scheme.lower() == b"bearer" else _NO_KEY


def _takes_sessions(request: Request) -> bool:
    """Return True for pages, and for streams that a page of this server reads."""
    if is_page(request):
        return True
    if request.method != "GET" or STREAM_PATH.fullmatch(path_below_root(request)) is None:
        return False
    return request.headers.get("sec-fetch-site", "same-origin") == "same-origin"
