"""The application on a real port of this machine, in a thread."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from fastapi import FastAPI

from holdwater.server.app import create_app
from holdwater.server.serving import LocalServer, listen_on_loopback
from holdwater.server.sessions import SessionAccess
from holdwater.server.streams.hub import StreamHub
from holdwater.server.tenant_database import OneTenant, TenantDatabase

API_TOKEN = "token-of-the-tests-with-enough-characters"
SIGNAL_TIMEOUT_SECONDS = 20.0


class Live:
    """A server under test.  `origin`: scheme, host and port; `access`: its sessions, of `holdwater ui`."""

    def __init__(self, port: int, app: FastAPI, access: SessionAccess | None, end: Callable[[], None]) -> None:
        self.port, self.origin, self.app, self.access = port, f"http://127.0.0.1:{port}", app, access
        self.end = end
        only = app.state.tenants.only
        if only is not None:
            self.streams: StreamHub = only.streams

    def client(self, **options: Any) -> httpx.Client:
        """A program with the token."""
        headers = {"authorization": f"Bearer {API_TOKEN}", **options.pop("headers", {})}
        return httpx.Client(base_url=self.origin, headers=headers, timeout=SIGNAL_TIMEOUT_SECONDS, **options)

    def stranger(self, **options: Any) -> httpx.Client:
        """A client without token or session."""
        return httpx.Client(base_url=self.origin, timeout=SIGNAL_TIMEOUT_SECONDS, **options)

    @contextmanager
    def browser(self) -> Iterator[httpx.Client]:
        """A client with a session."""
        assert self.access is not None
        with self.stranger(follow_redirects=True) as client:
            client.get("/ui", params={"token": self.access.new_link_token()}).raise_for_status()
            yield client

    def raw(self) -> socket.socket:
        """A connection for bytes no client would send."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=SIGNAL_TIMEOUT_SECONDS)


@contextmanager
def serve_app(
    app: FastAPI, access: SessionAccess | None = None, listening: socket.socket | None = None, **options: Any
) -> Iterator[Live]:
    """Serve an application until the block ends.  `options`: of `LocalServer`."""
    with listening or listen_on_loopback(0, may_choose=False) as bound:
        started = threading.Event()
        server = LocalServer(app, on_exit=app.state.tenants.close_streams_soon, on_started=started.set, **options)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            live = Live(bound.getsockname()[1], app, access, lambda: server.handle_exit(signal.SIGINT, None))
            assert started.wait(SIGNAL_TIMEOUT_SECONDS), "the server does not start"
            yield live
        finally:
            server.handle_exit(signal.SIGTERM, None)
            thread.join(SIGNAL_TIMEOUT_SECONDS)
            assert not thread.is_alive(), "the server does not end"


@contextmanager
def serve_database(url: str, *, read_only: bool = False, **options: Any) -> Iterator[Live]:
    """Serve a database as `holdwater ui` does, with a token for programs.  `options`: of `create_app`."""
    listening = listen_on_loopback(0, may_choose=False)
    access = SessionAccess(listening.getsockname()[1], "read" if read_only else "admin", API_TOKEN)
    app = create_app(OneTenant(TenantDatabase.open(url, read_only=read_only)), access, **options)
    with serve_app(app, access, listening) as live:
        yield live
