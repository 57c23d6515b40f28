"""Events of a run by WebSocket."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from holdwater import DefaultRunner
from holdwater.model.ids import new_run_id
from holdwater.model.time import Micros
from holdwater.server.access import Caller
from holdwater.server.sockets import delivery
from holdwater.server.sockets.frames import MAX_FRAME_BYTES
from tests.server.live import API_TOKEN
from tests.server.routes.conftest import API, Runs
from tests.server.sockets.conftest import SocketServer, serve_sockets
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, Gate

TOKEN = {"authorization": f"Bearer {API_TOKEN}"}


def payload(push: dict[str, Any]) -> Any:
    return json.loads(base64.b64decode(push["payload_b64"]))


def closed_with(socket: Any) -> int:
    """Read to the end; returns the code."""
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            socket.read()
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


def refusal(url: str, **options: Any) -> tuple[int, str]:
    """Return the status and the code of a connection that is refused."""
    with pytest.raises(InvalidStatus) as refused, connect(url, open_timeout=SIGNAL_TIMEOUT_SECONDS, **options):
        pass
    response = refused.value.response
    body = json.loads(response.body)
    assert body["error"]
    assert body["request_id"] == response.headers["x-request-id"]
    return response.status_code, body["code"]


def test_a_run_is_pushed_event_by_event(server: SocketServer, runs: Runs) -> None:
    with server.connect(runs.completed) as socket:
        welcome, *pushes, end = socket.read_until("end")
    assert welcome == {"type": "welcome", "protocol_version": 1}
    assert (end["type"], end["status"]) == ("end", "completed")
    ids = [push["id"] for push in pushes]
    assert ids == sorted(set(ids))
    for push in pushes:
        assert (push["recipient"], push["tenant_id"]) == (f"exec_events:{runs.completed}", "public")
    with server.live.client() as client:
        events = client.get(f"{API}/executions/{runs.completed}/events").json()["items"]
    assert [payload(push) for push in pushes] == events


def test_it_goes_on_behind_an_id(server: SocketServer, runs: Runs) -> None:
    with server.connect(runs.failed) as socket:
        _, *pushes, _ = socket.read_until("end")
    for place, push in enumerate(pushes):
        with server.connect(runs.failed, hello={"since_id": push["id"]}) as socket:
            _, *rest, _ = socket.read_until("end")
        assert rest == pushes[place + 1 :]


def test_it_goes_on_in_another_process(server: SocketServer, runs: Runs, database_url: str) -> None:
    with server.connect(runs.completed) as socket:
        socket.read()
        first = socket.read()
    with serve_sockets(database_url) as other, other.connect(runs.completed, hello={"since_id": first["id"]}) as socket:
        _, second, *_ = socket.read_until("end")
    assert second["id"] > first["id"]


def test_a_run_is_followed(server: SocketServer, runner: DefaultRunner, define: Define, gate: Gate) -> None:
    define(
        "followed", ("first", lambda context: None, {}), ("second", lambda context: gate(), {"dependencies": ["first"]})
    )
    run_id = runner.submit("followed").run_id
    with server.connect(run_id) as socket:
        assert socket.read()["type"] == "welcome"
        while (event := payload(socket.read()))["event_type"] != "task_completed":
            pass
        assert event["task_name"] == "first"
        gate.open.set()
        last = socket.read_until("end")
    assert [payload(one)["event_type"] for one in last if one["type"] == "push"][-1] == "workflow_completed"


def test_a_ticket_opens_one_connection(server: SocketServer, runs: Runs) -> None:
    server.access.tickets["once"] = Caller("read", is_ambient=False)
    url = server.url(f"exec_events:{runs.completed}", token="once")
    with connect(url) as opened:
        opened.send(json.dumps({"type": "hello", "protocol_version": 1, "since_id": None}))
        assert json.loads(opened.recv(SIGNAL_TIMEOUT_SECONDS))["type"] == "welcome"
    assert refusal(url) == (401, "unauthorized")


def test_access_is_judged_before_the_connection(server: SocketServer, runs: Runs) -> None:
    url = server.url(f"exec_events:{runs.completed}")
    assert refusal(url) == (401, "unauthorized")
    assert refusal(url, additional_headers={"authorization": "Bearer wrong"}) == (401, "unauthorized")
    server.access.tickets["both"] = Caller("read", is_ambient=False)
    both = server.url(f"exec_events:{runs.completed}", token="both")
    assert refusal(both, additional_headers=TOKEN) == (401, "unauthorized")
    server.access.tickets["foreign"] = Caller("admin", is_ambient=False, tenant="other")
    foreign = server.url(f"exec_events:{runs.completed}", token="foreign", tenant="public")
    assert refusal(foreign) == (403, "tenant_access_denied")
    unknown = server.url(f"exec_events:{new_run_id(Micros(1))}")
    assert refusal(unknown, additional_headers=TOKEN) == (404, "execution_not_found")
    assert refusal(server.url("somebody"), additional_headers=TOKEN) == (404, "not_found")
    graphs = f"ws://127.0.0.1:{server.live.port}/v1/ws/reactor/x"
    assert refusal(graphs, additional_headers=TOKEN) == (404, "not_offered")


def test_a_page_of_another_site_is_refused(server: SocketServer, runs: Runs) -> None:
    """A browser sends its session by itself, whichever page connects."""
    with server.live.browser() as browser:
        cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    url = server.url(f"exec_events:{runs.completed}")
    assert refusal(url, additional_headers={"cookie": cookie}, origin=Origin("http://evil.example")) == (
        403,
        "cross_site",
    )
    assert refusal(url, additional_headers={"cookie": cookie}) == (403, "cross_site")
    with connect(url, additional_headers={"cookie": cookie}, origin=Origin(server.live.origin)):
        pass
    with server.live.raw() as raw:
        raw.sendall(
            b"GET /v1/ws/delivery/exec_events:x HTTP/1.1\r\nHost: evil.example\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            + f"Authorization: {TOKEN['authorization']}\r\n\r\n".encode()
        )
        assert raw.recv(1000).startswith(b"HTTP/1.1 421 ")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"type": "hello", "protocol_version": 2, "since_id": null}', 4426),
        ('{"type": "hello", "protocol_version": "1"}', 4426),
        ('{"type": "hello", "since_id": -1}', 4400),
        ('{"type": "hello", "since_id": "7"}', 4400),
        ('{"type": "hello", "since_id": 1e400}', 4400),
        ('{"type": "ack", "id": 1}', 4400),
        ('{"type": "unknown"}', 4400),
        ("[]", 4400),
        ("{", 4400),
        ("[" * 10_000, 4400),
        (b"{}", 4400),
        ("x" * (MAX_FRAME_BYTES + 1), 1009),
    ],
)
def test_a_first_message_that_is_no_hello(server: SocketServer, runs: Runs, text: Any, code: int) -> None:
    with server.connect(runs.completed, hello=False) as socket:
        socket.connection.send(text)
        assert closed_with(socket) == code


def test_unknown_messages_are_left_alone(server: SocketServer, runs: Runs) -> None:
    with server.connect(runs.completed) as socket:
        socket.say("ping")
        socket.read_until("end")
        socket.say("hello", since_id=None)
        assert closed_with(socket) == 4400


def test_no_hello(server: SocketServer, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "HELLO_SECONDS", 0.01)
    with server.connect(runs.completed, hello=False) as socket:
        assert closed_with(socket) == 4408


def test_what_is_not_acknowledged_is_waited_for(
    server: SocketServer, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "MAX_UNACKNOWLEDGED", 2)
    with server.connect(runs.completed) as socket:
        pushes = socket.read_until("end")
    assert len(pushes) > 5
    monkeypatch.setattr(delivery, "ACK_SECONDS", 0.01)
    with server.connect(runs.completed) as socket:
        found = [socket.read()["type"] for _ in range(3)]
        assert found == ["welcome", "push", "push"]
        assert closed_with(socket) == 4408


def test_the_end_of_a_run_ends_the_connection_later(
    server: SocketServer, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, a client that connects again would be sent everything again and again."""
    monkeypatch.setattr(delivery, "AFTER_END_SECONDS", 0.01)
    with server.connect(runs.completed) as socket:
        socket.read_until("end")
        assert closed_with(socket) == 1000


def test_a_server_that_ends_says_so(database_url: str, runner: DefaultRunner, define: Define, gate: Gate) -> None:
    define("drained", ("hold", lambda context: gate(), {}))
    run_id = runner.submit("drained").run_id
    with serve_sockets(database_url) as ending, ending.connect(run_id) as socket:
        socket.read_until("push")
        ending.live.end()
        assert closed_with(socket) == 1001
    gate.open.set()


def test_access_that_ends_closes_the_connection(
    server: SocketServer, runner: DefaultRunner, define: Define, gate: Gate
) -> None:
    define("revoked", ("hold", lambda context: gate(), {}))
    run_id = runner.submit("revoked").run_id
    server.access.tickets["short"] = Caller("read", is_ambient=False, key_id="k", subjects=("key:k",))
    with connect(server.url(f"exec_events:{run_id}", token="short")) as opened:
        opened.send(json.dumps({"type": "hello", "protocol_version": 1, "since_id": None}))
        opened.recv(SIGNAL_TIMEOUT_SECONDS)
        server.access.open_requests.end_soon(["key:k"])
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                opened.recv(SIGNAL_TIMEOUT_SECONDS)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401
    gate.open.set()
