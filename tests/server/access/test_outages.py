"""Requests while the tables of the server cannot be reached."""

from __future__ import annotations

import http.client
import json
import logging
from typing import Any

import pytest

from holdwater.errors import StoreUnavailable
from holdwater.server.rate_limits import AccessLimits
from tests.server.access.keyed_server import TIMEOUT_SECONDS, KeyedServer, ServeKeys
from tests.suite.waiting import wait_until

PATH = "/v1/tenants/public/executions"


def unavailable(*_: Any, **__: Any) -> Any:
    raise StoreUnavailable("the database is away")


def test_no_key_counts_as_wrong_while_none_can_be_looked_up(serve: ServeKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(limits=AccessLimits(failed_logins_per_minute=2))
    with monkeypatch.context() as patch, server.client(server.god) as client:
        patch.setattr(server.tables.keys, "find", unavailable)
        assert {client.get(PATH).status_code for _ in range(6)} == {503}
    with server.client(server.god) as client, server.client("wrong") as stranger:
        assert client.get(PATH).status_code == 200
        assert [stranger.get(PATH).status_code for _ in range(3)] == [401, 401, 429]


def test_a_connection_goes_on_though_a_refusal_is_not_recorded(
    keyed: KeyedServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The response is sent before: the client must not lose its next request."""
    monkeypatch.setattr(keyed.tables.audit, "add", unavailable)
    headers = {"authorization": f"Bearer {keyed.make_key('read', 'acme')}"}
    connection = http.client.HTTPConnection("127.0.0.1", keyed.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.connect()
        socket = connection.sock
        for _ in range(2):
            connection.request("GET", PATH, headers=headers)
            response = connection.getresponse()
            assert (response.status, json.loads(response.read())["code"]) == (403, "tenant_access_denied")
        assert connection.sock is socket, "both came by one connection"
    finally:
        connection.close()
    wait_until(lambda: len([one for one in caplog.records if "is not in the audit log" in one.getMessage()]) == 2)
    assert all(one.levelno == logging.WARNING for one in caplog.records if "audit log" in one.getMessage())
