"""Requests to a server: other origins, tricks with methods and redirects, the report about the server."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from holdwater.model.schedules import ScheduleRow
from holdwater.model.time import Micros
from holdwater.server import protocol
from holdwater.storage import open_store
from tests.server.serving.server_process import ServedHere, serve_here
from tests.suite.waiting import wait_until

ORIGIN = "https://app.example.org"
PATH = "/v1/tenants/public/executions"
NO_RUN = "00000000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def cross(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[ServedHere]:
    """A server that pages of another origin may call."""
    from tests.server.serving.conftest import create_database

    database = create_database(request.getfixturevalue("postgres"))
    with serve_here(
        database, tmp_path_factory.mktemp("cross"), cors_origins=(ORIGIN,), allowed_hosts=("metrics.example.org",)
    ) as server:
        yield server


def cors_headers(headers: object) -> dict[str, str]:
    return {name: value for name, value in dict(headers).items() if name.startswith("access-control")}  # type: ignore[call-overload]


def test_pages_of_an_origin_that_is_named_may_call_with_a_key(cross: ServedHere) -> None:
    with cross.stranger(headers={"origin": ORIGIN}) as page, cross.client(headers={"origin": ORIGIN}) as client:
        asked = page.options(PATH, headers={"access-control-request-method": "POST"})
        assert asked.status_code == 204
        assert asked.headers["access-control-allow-origin"] == ORIGIN
        assert "authorization" in asked.headers["access-control-allow-headers"]
        answer = client.get(PATH)
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "access-control-allow-credentials" not in {**asked.headers, **answer.headers}
        assert "Origin" in answer.headers["vary"]
        assert page.get(PATH).status_code == 401
        assert page.get(PATH).headers["access-control-allow-origin"] == ORIGIN  # it can read why
        assert cors_headers(client.get("/ui/public/runs").headers) == {}


def test_other_origins_may_not(cross: ServedHere, served: ServedHere) -> None:
    for server, origin in ((cross, "https://evil.example.org"), (cross, "null"), (served, ORIGIN)):
        with server.client(headers={"origin": origin}) as client:
            assert cors_headers(client.get(PATH).headers) == {}
            asked = client.options(PATH, headers={"access-control-request-method": "POST"})
            assert asked.status_code >= 400
            assert cors_headers(asked.headers) == {}


def test_a_method_is_the_method(served: ServedHere) -> None:
    """Headers and parameters that have other frameworks take a request for one with another method."""
    with served.client() as client:
        for header in ("x-http-method-override", "x-method-override", "x-http-method"):
            answer = client.get(f"{PATH}/{NO_RUN}", headers={header: "DELETE"}, params={"_method": "DELETE"})
            assert (answer.status_code, answer.json()["code"]) == (404, "execution_not_found")
        assert client.request("TRACE", PATH).status_code == 405
        assert client.request("BREW", PATH).status_code == 405


@pytest.mark.parametrize(
    "target", ["https://evil.example.org", "//evil.example.org", "/\\evil.example.org", "%2F%2Fevil.example.org"]
)
def test_redirects_lead_to_this_server_alone(served: ServedHere, target: str) -> None:
    with served.client(follow_redirects=False) as client:
        for path in (
            "/",
            "/ui",
            f"/ui?next={target}",
            f"/ui/login?next={target}",
            f"/{target}",
            f"/ui/public/{target}",
        ):
            location = client.get(path).headers.get("location", "/")
            assert location.startswith(("/", served.url + "/")), path
            assert not location.startswith("//"), path
            assert "evil" not in location.partition("?")[0], path


def test_the_report_is_for_administrators(served: ServedHere) -> None:
    with served.client() as client, served.stranger() as stranger:
        client.get(PATH).raise_for_status()
        found = client.get("/v1/server").json()
        assert (found["pid"], found["address"], found["draining"]) == (os.getpid(), served.url, False)
        assert {"tenant": "public", "status": "working", "streams": 0} in found["engines"]
        assert "password" not in found["database"]

        def own_replica() -> dict[str, Any] | None:  # others were killed by other tests
            return next(
                (one for one in client.get("/v1/server").json()["replicas"] if one["address"] == served.url), None
            )

        wait_until(own_replica)
        replica = own_replica()
        assert replica is not None
        assert (replica["pid"], replica["status"]) == (os.getpid(), "serving")
        assert stranger.get("/v1/server").status_code == 401
        described = client.get("/openapi.json").json()["paths"]
        assert described["/v1/server"]["get"]["x-role"] == "god"
        assert "/metrics" in described


def test_requests_are_refused_while_the_server_drains(new_database: Callable[[], str], tmp_path: Path) -> None:
    with serve_here(new_database(), tmp_path / "home") as server, server.client() as client:
        client.get(PATH).raise_for_status()
        server.server.health.is_draining = True
        refused = client.get(PATH)
        assert (refused.status_code, refused.json()["code"]) == (503, "runner_draining")
        assert refused.headers["retry-after"]
        assert client.get("/health").json() == {"status": "ok"}
        assert client.get("/ready").json() == {"status": "not ready", "reason": "draining"}


def test_tenants_with_work_are_woken_by_the_start(new_database: Callable[[], str], tmp_path: Path) -> None:
    """Runs that an earlier process left go on, and schedules fire, without any request."""
    database = new_database()
    store = open_store(database)
    store.put_schedule(ScheduleRow("due", "cron", "due", "unknown", "* * * * *", next_at=Micros(1)))
    store.close()
    with serve_here(database, tmp_path / "home") as server:
        wait_until(lambda: server.server.tenants.awake() == ["public"])


def test_a_multipart_body_without_end_is_cut_off(served: ServedHere, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "BODY_SECONDS", 0.2)
    host, port = served.url.removeprefix("http://").split(":")
    boundary = "multipart/form-data; boundary=x"
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(
            f"POST /v1/tenants/public/workflows HTTP/1.1\r\nHost: {host}\r\nContent-Type: {boundary}\r\n"
            f"Authorization: Bearer {served.bootstrap_key}\r\nTransfer-Encoding: chunked\r\n\r\n"
            '3a\r\n--x\r\nContent-Disposition: form-data; name="file"; filename="a\r\n'.encode()
        )
        received = b""
        with suppress(ConnectionResetError):
            while data := connection.recv(65536):
                received += data
    assert b"201" not in received[:16]
    with served.client() as client:
        assert client.get("/health").json() == {"status": "ok"}


def test_names_of_the_server(cross: ServedHere, served: ServedHere) -> None:
    headers = {"host": "metrics.example.org"}
    with cross.stranger(headers=headers) as known, served.stranger(headers=headers) as unknown:
        assert known.get("/metrics").status_code == 200
        assert unknown.get("/metrics").status_code == 421


def test_a_slash_at_the_end_of_a_path_is_named(served: ServedHere) -> None:
    with served.client() as client:
        templates = client.get("/openapi.json").json()["paths"]
        for template in [one for one in templates if "/limits" not in one]:  # keys of limits may have slashes
            for method in ("GET", "POST"):
                path = f"{re.sub('{tenant}', 'public', template)}/"
                answer = client.request(method, path)
                assert answer.status_code == 404, (method, path, answer.text)
                body = answer.json()
                assert body["code"] == "not_found", (method, path)
                assert "leave it out" in body["hint"], (method, path)
        assert "hint" not in client.get("/v1/nothing").json()
        page = client.get("/ui/public/runs/?status=failed")
        assert (page.status_code, page.headers["location"]) == (307, "/ui/public/runs?status=failed")
        assert client.get("/ui/public/runs/?status=failed", follow_redirects=True).status_code == 200
        assert client.get("/ui/public/nothing/", follow_redirects=True).status_code == 404
