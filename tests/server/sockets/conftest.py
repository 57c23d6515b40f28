"""A server with WebSockets on the database of a module."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from holdwater import DefaultRunner
from holdwater.server.access import Caller
from holdwater.server.app import create_app
from holdwater.server.serving import listen_on_loopback
from holdwater.server.sessions import SessionAccess
from holdwater.server.socket_protocol import websocket_options
from holdwater.server.tenant_database import OneTenant, TenantDatabase
from tests.server.live import API_TOKEN, Live, serve_app
from tests.server.routes.conftest import runs
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS

__all__ = ["runs"]


class TicketPolicy(SessionAccess):
    """Access by one token, or by tickets."""

    def __init__(self, port: int) -> None:
        super().__init__(port, "write", API_TOKEN)
        self.tickets: dict[str, Caller] = {}

    async def caller_of_ticket(self, ticket: str) -> Caller | None:
        return self.tickets.pop(ticket, None)


class SocketServer:
    """`access`: to put tickets into."""

    def __init__(self, live: Live, access: TicketPolicy) -> None:
        self.live, self.access = live, access

    def url(self, recipient: str, **query: str) -> str:
        parameters = "&".join(f"{name}={value}" for name, value in query.items())
        return f"ws://127.0.0.1:{self.live.port}/v1/ws/delivery/{recipient}?{parameters}"

    @contextmanager
    def connect(self, run_id: str, *, hello: Any = None, **options: Any) -> Iterator[Socket]:
        """Follow a run with the token.  `hello`: False to say nothing, or fields of it."""
        headers = options.pop("headers", {"authorization": f"Bearer {API_TOKEN}"})
        url = self.url(f"exec_events:{run_id}")
        with connect(url, additional_headers=headers, open_timeout=SIGNAL_TIMEOUT_SECONDS, **options) as opened:
            socket = Socket(opened)
            if hello is not False:
                socket.say("hello", **{"since_id": None, **(hello or {})})
            yield socket


class Socket:
    """A connection under test."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def say(self, kind: str, **fields: Any) -> None:
        self.connection.send(json.dumps({"type": kind, "protocol_version": 1, **fields}))

    def read(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.connection.recv(SIGNAL_TIMEOUT_SECONDS))
        return found

    def read_until(self, kind: str) -> list[dict[str, Any]]:
        """Read messages up to one of this type, which is the last of them; pushes are acknowledged."""
        found = [self.read()]
        while found[-1]["type"] != kind:
            if found[-1]["type"] == "push":
                self.say("ack", id=found[-1]["id"])
            found.append(self.read())
        return found


@contextmanager
def serve_sockets(url: str) -> Iterator[SocketServer]:
    listening = listen_on_loopback(0, may_choose=False)
    access = TicketPolicy(listening.getsockname()[1])
    app = create_app(OneTenant(TenantDatabase.open(url)), access)
    with serve_app(app, access, listening, socket_options=websocket_options()) as live:
        yield SocketServer(live, access)


@pytest.fixture(scope="module")
def server(database_url: str, runner: DefaultRunner) -> Iterator[SocketServer]:
    with serve_sockets(database_url) as opened:
        yield opened
