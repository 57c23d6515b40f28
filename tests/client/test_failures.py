"""Errors of servers: every code has a class, and what cannot be reached says why and how to mend it."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from holdwater import Client, errors
from holdwater.client.server.failures import ERRORS_BY_CODE, error_of, unreachable_error
from holdwater.client.server.options import ServerOptions
from holdwater.server.errors import INTERNAL, STATUS_AND_CODE, status_and_code
from holdwater.server.refusals import CODES_BY_STATUS
from tests.client.answering import Answer, answering
from tests.server.live import Live

OPTIONS = ServerOptions(url="http://127.0.0.1:1", api_key="k" * 40)


def answer(status: int, code: str, **more: str) -> httpx.Response:
    body = {"error": "what happened", "code": code, "request_id": "r1", **more}
    return httpx.Response(status, json=body, request=httpx.Request("GET", OPTIONS.url))


def test_every_code_of_an_error_comes_back_as_a_class_of_it() -> None:
    codes = {found: cls for cls, found in STATUS_AND_CODE.items() if found != INTERNAL}
    for status, code in codes:
        error = error_of(answer(status, code, hint="do this"), OPTIONS)
        classes = [cls for cls, found in STATUS_AND_CODE.items() if found == (status, code)]
        assert type(error) in classes, (code, error)
        assert status_and_code(error) == (status, code)
        assert (error.message, error.hint, error.request_id) == ("what happened", "do this", "r1")
        assert str(error) == "what happened\n  hint: do this"
    known = {code for _, code in codes} | {"invalid_pagination", "signature_required", "signature_not_found"}
    known |= {"tenant_creation_failed", "tenant_removal_failed"}
    assert ERRORS_BY_CODE.keys() == known


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "unauthorized", errors.NotAuthenticated),
        (403, "tenant_access_denied", errors.AccessDenied),
        (403, "admin_required", errors.AccessDenied),
        (403, "insufficient_permissions", errors.AccessDenied),
        (404, "not_found", errors.ServerMismatch),
        (409, "trigger_exists", errors.RequestRefused),
        (429, "rate_limited", errors.RequestRefused),
        (500, "internal_error", errors.ServerFailure),
    ],
)
def test_refusals_of_the_server_itself(status: int, code: str, kind: type[errors.RemoteError]) -> None:
    error = error_of(answer(status, code), OPTIONS)
    assert type(error) is kind
    assert isinstance(error, errors.RemoteError)
    assert (error.status, error.code) == (status, code)
    assert code in CODES_BY_STATUS.values() or status in (403, 409, 500)


def test_a_server_that_is_not_there() -> None:
    with (
        Client(f"http://127.0.0.1:{_free_port()}") as client,
        pytest.raises(errors.ServerUnreachable, match="holdwater serve") as raised,
    ):
        client.list_runs()
    assert isinstance(raised.value, ConnectionError)


def test_a_name_that_is_not_there_and_a_certificate_that_is_not_trusted() -> None:
    error = unreachable_error(httpx.ConnectError("[Errno -2] Name or service not known"), OPTIONS)
    assert "Name or service not known" in error.message
    failed = ssl.SSLCertVerificationError("certificate verify failed: self-signed certificate")
    error = unreachable_error(httpx.ConnectError(f"[SSL: CERTIFICATE_VERIFY_FAILED] {failed}"), OPTIONS)
    assert "is not secure" in error.message
    assert "ca_file" in error.hint
    assert "no connection within 5 s" in unreachable_error(httpx.ConnectTimeout("timed out"), OPTIONS).message
    assert "no answer within 60 s" in unreachable_error(httpx.ReadTimeout("timed out"), OPTIONS).message


def test_tls_where_there_is_none(live: Live) -> None:
    with (
        Client(live.origin.replace("http:", "https:")) as client,
        pytest.raises(errors.ServerUnreachable, match="is not secure"),
    ):
        client.list_runs()


def test_a_wrong_key_and_none(live: Live) -> None:
    with Client(live.origin, api_key="w" * 40) as client, pytest.raises(errors.NotAuthenticated) as raised:
        client.list_runs()
    assert "does not accept the API key" in raised.value.message
    assert "w" * 40 not in str(raised.value)
    with Client(live.origin) as client, pytest.raises(errors.NotAuthenticated, match="no API key\\n  hint: give one: "):
        client.list_runs()


@contextmanager
def client_of(*answers: Answer) -> Iterator[tuple[Client, list[str]]]:
    with answering(*answers) as (url, asked), Client(url, api_key="k" * 40) as client:
        yield client, asked


def test_what_is_no_holdwater_server() -> None:
    page = Answer(200, "<html>hello</html>", "text/html")
    with (
        client_of(page) as (client, _),
        pytest.raises(errors.ServerMismatch, match="no Holdwater server: 200, text/html"),
    ):
        client.list_runs()
    with client_of(Answer(404, "nothing", "text/plain")) as (client, _), pytest.raises(errors.ServerMismatch):
        client.list_runs()
    moved = Answer(301, "", "text/html", {"location": "https://elsewhere.example"})
    with client_of(moved) as (client, _), pytest.raises(errors.ServerMismatch, match="sends requests on to"):
        client.list_runs()
    with client_of(Answer(502, "bad gateway", "text/html")) as (client, _), pytest.raises(errors.ServerUnreachable):
        client.list_runs()
    with client_of(Answer(200, json.dumps({"items": [{}]}))) as (client, _), pytest.raises(errors.ServerMismatch):
        client.list_runs()


def test_a_broken_connection_is_tried_again_where_that_is_safe() -> None:
    page = Answer(200, json.dumps({"items": [], "next_cursor": None, "previous_cursor": None, "searched_until": None}))
    with client_of(Answer.broken(), page) as (client, asked):
        assert client.list_runs() == []
    assert len(asked) == 2
    with client_of(Answer.broken()) as (client, asked), pytest.raises(errors.ServerUnreachable, match="broke"):
        client.cancel("r1")
    assert len(asked) == 1


def test_a_run_that_is_started_twice_has_one_key() -> None:
    with (
        client_of(Answer.broken(), Answer(500, "", "text/plain")) as (client, asked),
        pytest.raises(errors.ServerMismatch),
    ):
        client.submit("sums")
    keys = [line for one in asked for line in one.splitlines() if line.lower().startswith("idempotency-key")]
    assert len(keys) == 2
    assert keys[0] == keys[1]


def test_a_busy_server_is_asked_again_when_it_says() -> None:
    page = json.dumps({"items": [], "next_cursor": None, "previous_cursor": None, "searched_until": None})
    busy = Answer(429, json.dumps({"error": "too many", "code": "rate_limited"}), headers={"retry-after": "0"})
    with client_of(busy, Answer(200, page)) as (client, asked):
        assert client.list_runs() == []
    later = Answer(429, json.dumps({"error": "too many", "code": "rate_limited"}), headers={"retry-after": "60"})
    with client_of(later) as (client, asked), pytest.raises(errors.RequestRefused, match="too many"):
        client.list_runs()
    assert len(asked) == 1


def _free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port
