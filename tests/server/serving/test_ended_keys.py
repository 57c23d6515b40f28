"""A key that is revoked while a request is under way: on this replica or another one, in a stream or in an upload."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from holdwater.server import parsing
from holdwater.server.api_routing import LARGE_BODY_BYTES
from holdwater.server.routes import uploads
from holdwater.server.upload_parts import UploadedParts, read_upload
from tests.server.serving.packages import archive, upload
from tests.server.serving.server_process import ServedHere, serve_here
from tests.server.streams.sse import open_stream
from tests.suite.waiting import poll_pause

TENANT: Final = "ending"
BASE: Final = f"/v1/tenants/{TENANT}"
PIECE: Final = b"x" * 1000


class EndingKey:
    """A key of the tenant.  `end`: revokes it, and returns when the server has ended what it had under way."""

    def __init__(self, served: ServedHere, god: httpx.Client) -> None:
        made = god.post(f"{BASE}/keys", json={"name": "ending", "role": "admin"}).json()
        self._served, self._god, self.text, self.id = served, god, made["key"], made["id"]

    def end(self) -> None:
        with self._served.client(self.text) as client, open_stream(client, f"{BASE}/stream") as stream:
            next(iter(stream))
            self._god.delete(f"{BASE}/keys/{self.id}").raise_for_status()
            assert "bye" not in [message.event for message in stream]  # read to its end


@pytest.fixture(scope="module")
def god(served: ServedHere) -> Iterator[httpx.Client]:
    with served.client() as client:
        assert client.post("/v1/tenants", json={"name": TENANT}).status_code == 201
        yield client


@pytest.fixture
def key(served: ServedHere, god: httpx.Client) -> EndingKey:
    return EndingKey(served, god)


def assert_refused(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), answer.text
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_stream_ends_with_a_key_that_another_replica_revokes(
    served: ServedHere, god: httpx.Client, key: EndingKey, tmp_path: Path
) -> None:
    with (
        serve_here(served.database_url, tmp_path / "home") as replica,
        served.client(key.text) as client,
        open_stream(client, f"{BASE}/stream") as stream,
        replica.client() as elsewhere,
    ):
        messages = iter(stream)
        next(messages)
        elsewhere.delete(f"{BASE}/keys/{key.id}").raise_for_status()
        assert [*messages] == []  # bounded by the test's time-out
        assert_refused(client.get(f"{BASE}/executions"))


def test_an_upload_is_refused_before_its_body_ends(served: ServedHere, god: httpx.Client, key: EndingKey) -> None:
    connection = http.client.HTTPConnection(served.url.removeprefix("http://"), timeout=30)
    connection.putrequest("POST", f"{BASE}/workflows")
    for name, value in {
        "authorization": f"Bearer {key.text}",
        "content-type": "multipart/form-data; boundary=x",
        "content-length": str(50 << 20),
    }.items():
        connection.putheader(name, value)
    connection.endheaders()
    connection.send(b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n')
    policy = served.server.app.state.policy
    while f"key:{key.id}" not in policy.open_requests.subjects():  # bounded by the test's time-out
        poll_pause()
    key.end()
    connection.sock.settimeout(0.01)
    answer = b""
    while not answer:  # bounded by the test's time-out
        with suppress(TimeoutError, ConnectionError):
            connection.sock.sendall(PIECE)
        with suppress(TimeoutError):
            answer = connection.sock.recv(4096, socket.MSG_PEEK)
    connection.sock.settimeout(30)
    response = connection.getresponse()
    assert (response.status, json.loads(response.read())["code"]) == (401, "unauthorized")
    connection.close()
    assert god.get(f"{BASE}/releases").json()["items"] == []


class Pause:
    """A place where a request waits, until the test has done something."""

    def __init__(self) -> None:
        self.reached, self._go_on = threading.Event(), threading.Event()

    def wait(self) -> None:
        self.reached.set()
        assert self._go_on.wait(60)

    def during(self, ask: Callable[[], httpx.Response], act: Callable[[], None]) -> httpx.Response:
        """Ask, act while the request waits, and return the answer."""
        with ThreadPoolExecutor(1) as threads:
            asked = threads.submit(ask)
            assert self.reached.wait(60)
            act()
            self._go_on.set()
            return asked.result()


def test_an_archive_that_came_whole_is_not_taken(
    served: ServedHere, god: httpx.Client, key: EndingKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    pause = Pause()

    async def read_and_wait(*args: Any) -> UploadedParts:
        parts = await read_upload(*args)
        await asyncio.to_thread(pause.wait)
        return parts

    monkeypatch.setattr(uploads, "read_upload", read_and_wait)
    with served.client(key.text) as client:
        assert_refused(pause.during(lambda: upload(client, archive(), tenant=TENANT), key.end))
    assert god.get(f"{BASE}/releases").json()["items"] == []


@pytest.mark.parametrize("size", [10, 2 * LARGE_BODY_BYTES])
def test_a_body_that_came_whole_is_not_acted_upon(
    served: ServedHere, god: httpx.Client, key: EndingKey, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    pause, name = Pause(), f"never_{size}"
    body = {"name": name, "workflow_name": "x", "cron_expression": "0 3 1 1 *", "allow_unknown": True}
    read = parsing.read_body

    async def read_and_wait(*args: Any) -> bytes:
        data: bytes = await read(*args)
        await asyncio.to_thread(pause.wait)
        return data

    monkeypatch.setattr(parsing, "read_body", read_and_wait)
    with served.client(key.text) as client:
        asked = {**body, "context": {"x": "y" * size}}
        assert_refused(pause.during(lambda: client.post(f"{BASE}/triggers", json=asked), key.end))
    assert god.get(f"{BASE}/triggers/{name}").status_code == 404
