"""HTTP as no client should send it, over real connections."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from holdwater.server import protocol
from holdwater.server.serving import listen_on_loopback
from tests.server.live import API_TOKEN, Live
from tests.suite.effort import LONG

PATH = "/v1/tenants/public/executions/x/cancel"
AUTHORIZED = f"Host: localhost\r\nAuthorization: Bearer {API_TOKEN}\r\n"


@pytest.fixture
def raw(live: Live) -> Iterator[socket.socket]:
    with live.raw() as connection:
        yield connection


def read_all(connection: socket.socket) -> bytes:
    """What comes until the server closes the connection."""
    received = b""
    try:
        while chunk := connection.recv(65536):
            received += chunk
    except ConnectionResetError:
        pass
    return received


def exchange(connection: socket.socket, request: str | bytes) -> bytes:
    connection.sendall(request.encode() if isinstance(request, str) else request)
    return read_all(connection)


def test_a_connection_that_says_nothing_is_closed(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEADER_SECONDS", 0.05)
    with live.raw() as connection:
        assert read_all(connection) == b""


def test_a_header_that_drips_is_cut_off(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEADER_SECONDS", 0.2)
    with live.raw() as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-A: ")
        connection.settimeout(0.01)
        while True:  # bounded by the test's time-out
            try:
                connection.sendall(b"a")
                received = connection.recv(1)
            except TimeoutError:
                continue
            except OSError:
                return
            assert received == b""
            return


def test_the_next_request_of_a_connection_has_its_own_deadline(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    with live.raw() as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        received = b""
        while not received.endswith(b'{"status":"ok"}'):
            received += connection.recv(65536)
        monkeypatch.setattr(protocol, "HEADER_SECONDS", 0.05)
        connection.sendall(b"GET /hea")
        assert read_all(connection) == b""


def test_a_body_that_drips_is_cut_off(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "BODY_SECONDS", 0.1)
    head = f"POST {PATH} HTTP/1.1\r\n{AUTHORIZED}Content-Type: application/json\r\nContent-Length: 20000\r\n\r\n"
    with live.raw() as connection:
        assert exchange(connection, head + "{") == b""


def test_a_form_that_never_ends_is_cut_off(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "BODY_SECONDS", 0.1)
    head = (
        f"POST /ui/public/runs HTTP/1.1\r\n{AUTHORIZED}Content-Type: multipart/form-data; boundary=x\r\n"
        "Transfer-Encoding: chunked\r\n\r\n10\r\n--x\r\nContent-Disp\r\n"
    )
    with live.raw() as connection:
        assert b"200 OK" not in exchange(connection, head)


def test_a_client_that_does_not_read_loses_its_connection(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "STALL_SECONDS", 0.05)
    request = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with live.raw() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with pytest.raises(OSError, match=r"reset|pipe"):
            while True:  # bounded by the test's time-out
                connection.sendall(request)


@pytest.mark.parametrize(
    "request_text",
    [
        "\x00\x01\x02\r\n\r\n",
        "GET\r\n\r\n",
        "GET /health HTTP/9.9\r\nConnection: close\r\n\r\n",
        "GET /hea lth HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /health HTTP/1.1\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\x00\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Long: " + "a" * 33_000 + "\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        + "".join(f"X-{k}: 1\r\n" for k in range(10_000))
        + "\r\n",
        "GET /" + "a" * 40_000 + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(raw: socket.socket, request_text: str) -> None:
    answer = exchange(raw, request_text)
    if answer:  # the rest of a long request may have been reset
        assert answer.split(b" ")[1] in (b"400", b"414", b"421", b"431")
        assert b'"code"' in answer


def test_two_lengths_are_refused(raw: socket.socket) -> None:
    answer = exchange(
        raw,
        f"POST {PATH} HTTP/1.1\r\n{AUTHORIZED}Content-Length: 5\r\nConnection: close\r\n"
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    )
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"two ways" in answer


def test_a_request_without_a_host_is_refused(raw: socket.socket) -> None:
    assert exchange(raw, "GET /health HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 421")


def test_an_upgrade_is_an_ordinary_request(raw: socket.socket) -> None:
    answer = exchange(
        raw,
        "GET /ui/public/runs HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n",
    )
    assert answer.startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize("count", [200, pytest.param(1000, marks=LONG)])
def test_slow_clients_do_not_hold_up_others(live: Live, count: int) -> None:
    slow = [live.raw() for _ in range(count)]
    try:
        for connection in slow:
            connection.sendall(b"GET /health HTTP/1.1\r\nX-A: ")
        with live.client() as client:
            assert client.get("/health").status_code == 200
            assert client.get("/v1/tenants/public/executions").status_code == 200
    finally:
        for connection in slow:
            connection.close()


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static//etc/passwd",
        "/static/%00",
        "/static/..",
    ],
)
def test_files_are_those_of_the_ui(live: Live, path: str) -> None:
    with live.raw() as connection:
        answer = exchange(connection, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert answer.split(b" ")[1] in (b"401", b"404", b"400")
    assert b"create_app" not in answer


@pytest.mark.parametrize(
    "path", ["//evil.example/", "/ui//evil.example/", "/ui?next=//evil.example", "/\\evil.example/"]
)
def test_redirects_stay_here(live: Live, path: str) -> None:
    with live.raw() as connection:
        answer = exchange(connection, f"GET {path} HTTP/1.1\r\n{AUTHORIZED}Connection: close\r\n\r\n").decode("latin-1")
    locations = [line.partition(": ")[2] for line in answer.split("\r\n") if line.lower().startswith("location:")]
    assert all(location.startswith(("/ui/", "http://localhost/")) for location in locations), locations


def test_methods_are_not_overridden(live: Live) -> None:
    with live.client() as client:
        headers = {"x-http-method-override": "DELETE", "x-method-override": "DELETE"}
        assert client.get("/v1/tenants/public/triggers/nothing", headers=headers).json()["code"] == "trigger_not_found"
        assert client.post("/v1/tenants/public/executions?_method=GET", headers=headers).status_code == 405
        for method in ("TRACE", "CONNECT", "PROPFIND"):
            assert client.request(method, "/v1/tenants/public/executions").status_code == 405


def test_other_sites_may_not_read_answers(live: Live) -> None:
    with live.client(headers={"origin": "https://evil.example"}) as client:
        answer = client.get("/v1/tenants/public/executions")
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        preflight = client.options("/v1/tenants/public/executions", headers={"access-control-request-method": "POST"})
        assert preflight.status_code == 405
        assert preflight.headers["allow"] == "GET"


def test_what_is_sent_does_not_wait_for_receipts() -> None:
    """Otherwise the body of each answer would wait for the receipt of its headers, 40 ms."""
    with (
        listen_on_loopback(0, may_choose=False) as listening,
        socket.create_connection(listening.getsockname()),
        listening.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
