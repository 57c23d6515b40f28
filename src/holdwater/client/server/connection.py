"""Requests to a server: the key, time limits, attempts, and answers that are JSON of this API."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import quote

import httpx

from holdwater import __version__
from holdwater.client.server.answers import AnswerObject
from holdwater.client.server.failures import error_of, not_a_server_error, unreachable_error
from holdwater.client.server.options import ServerOptions
from holdwater.errors import ConfigError, RunnerClosed

IDEMPOTENCY_KEY: Final = "idempotency-key"
FIRST_WAIT_SECONDS: Final = 0.2
MAX_WAIT_SECONDS: Final = 5.0
"""between two attempts"""
PAGE_ITEMS: Final = 500
_REPEATABLE: Final = frozenset({"GET", "PUT"})
_BUSY: Final = frozenset({"tenant_waking", "runner_draining", "in_progress"})
"""codes of answers that another attempt has a better one to soon"""


class _BearerAuth(httpx.Auth):
    """Sends the key with each request; it is shown by no repr."""

    __slots__ = ("_key",)

    def __init__(self, key: str) -> None:
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override]
        request.headers["authorization"] = f"Bearer {self._key}"
        yield request


class ServerConnection:
    """Connections to one server, for one tenant.  Thread-safe.

    Its methods raise ServerUnreachable, ServerMismatch, NotAuthenticated, AccessDenied, and the errors of an operation.
    """

    def __init__(self, options: ServerOptions) -> None:
        """Prepare; nothing is sent before the first request.  Raises ConfigError for an unreadable `ca_file`."""
        self.options = options
        try:
            self._http = httpx.Client(
                base_url=options.url.rstrip("/"),
                auth=None if options.api_key is None else _BearerAuth(options.api_key),
                headers={"user-agent": f"holdwater/{__version__}", "accept": "application/json"},
                timeout=httpx.Timeout(options.answer_seconds, connect=options.connect_seconds),
                verify=True if options.ca_file is None else ssl.create_default_context(cafile=options.ca_file),
            )
        except OSError as error:
            raise ConfigError(f"certificates cannot be read from {options.ca_file}: {error}") from error

    def close(self) -> None:
        """Close all connections; streams end."""
        self._http.close()

    @property
    def is_closed(self) -> bool:
        return self._http.is_closed

    def path(self, *parts: str, plain: str | None = None) -> str:
        """Return the path of something of the tenant: `path("executions", run_id, "tasks")`.

        `plain`: a last part whose slashes stay as they are.
        """
        last = [] if plain is None else [quote(plain, safe="/:=")]
        return "/".join(["/v1/tenants", quote(self.options.tenant, safe=""), *map(encode_segment, parts), *last])

    # -- requests

    def get(self, path: str, **params: Any) -> Any:
        """Read JSON.  `params`: of the query, None: left out."""
        return self.send("GET", path, params=params)

    def post(self, path: str, body: Any = None, *, key: str | None = None, **options: Any) -> Any:
        """Ask for something.  `key`: idempotency key, with which the request may be repeated."""
        headers = {} if key is None else {IDEMPOTENCY_KEY: key}
        return self.send("POST", path, json={} if body is None else body, headers=headers, **options)

    def send(self, method: str, path: str, **options: Any) -> Any:
        """Send a request, again if it may be repeated, and return the JSON of the answer."""
        with self.opened(method, path, **options) as response:
            response.read()
            return self._json_of(response)

    @contextmanager
    def opened(self, method: str, path: str, **options: Any) -> Iterator[httpx.Response]:
        """Open the answer to a request; the block reads it."""
        request = self._request(method, path, **options)
        may_repeat = method in _REPEATABLE or IDEMPOTENCY_KEY in request.headers
        response = self._answered(request, may_repeat)
        try:
            yield response
        except httpx.TransportError as error:
            raise unreachable_error(error, self.options) from error
        finally:
            response.close()

    def pages(self, path: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Read the pages of a list, one after the other."""
        cursor: str | None = None
        while True:
            page = self.get(path, **{"limit": PAGE_ITEMS, **params, "cursor": cursor})
            yield page
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def items(self, path: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Read all items of a list, page by page."""
        for page in self.pages(path, **params):
            yield from page["items"]

    def _request(
        self, method: str, path: str, params: Mapping[str, Any] | None = None, **options: Any
    ) -> httpx.Request:
        given = {name: _text_of(value) for name, value in (params or {}).items() if value is not None}
        return self._http.build_request(method, path, params=given, **options)

    def _answered(self, request: httpx.Request, may_repeat: bool) -> httpx.Response:
        """Send a request until it is answered; returns a good answer."""
        wait_seconds = FIRST_WAIT_SECONDS
        for left in reversed(range(self.options.attempts)):
            if self.is_closed:  # before the first attempt, or between two
                raise RunnerClosed("this client is closed", hint="make a new one")
            try:
                response = self._http.send(request, stream=True)
            except httpx.ConnectError as error:  # it was not sent
                if not left:
                    raise unreachable_error(error, self.options) from error
            except httpx.TransportError as error:
                if not left or not may_repeat:
                    raise unreachable_error(error, self.options) from error
            else:
                if response.is_success:
                    return response
                response.read()
                asked_seconds = _retry_after(response) if may_repeat and left else None
                if asked_seconds is None:
                    response.close()
                    raise error_of(response, self.options)
                wait_seconds = max(wait_seconds, asked_seconds)
            time.sleep(wait_seconds)
            wait_seconds = min(wait_seconds * 2, MAX_WAIT_SECONDS)
        raise AssertionError("the last attempt returns or raises")

    def _json_of(self, response: httpx.Response) -> Any:
        try:
            found = response.json()
            return AnswerObject(found) if isinstance(found, dict) else found
        except (json.JSONDecodeError, UnicodeDecodeError):
            raise not_a_server_error(response, self.options) from None


def encode_segment(text: str) -> str:
    """Return an id or a name as one segment of a path: `/` in it is written `~1`, `~` as `~0` (RFC 6901)."""
    return quote(text.replace("~", "~0").replace("/", "~1"), safe="~@")


def _text_of(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return [*value] if isinstance(value, tuple) else value


def _retry_after(response: httpx.Response) -> float | None:
    """Return the time after which the server wants to be asked again; None: it is no use, or takes too long."""
    try:
        code = response.json().get("code")
    except (ValueError, AttributeError):
        return None
    if response.status_code != 429 and code not in _BUSY:
        return None
    after = response.headers.get("retry-after", "0")
    seconds = float(after) if after.isdecimal() else MAX_WAIT_SECONDS + 1
    return seconds if seconds <= MAX_WAIT_SECONDS else None
