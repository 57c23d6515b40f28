"""Errors of the API and of pages: one shape, one table."""

from __future__ import annotations

import inspect
import logging

import pytest

from holdwater import errors
from holdwater.runs.folded_runs import FoldedRuns
from holdwater.server.errors import STATUS_AND_CODE
from tests.server.live import Live


def test_every_error_has_a_row() -> None:
    classes = {cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, errors.HoldwaterError)}
    assert {cls.__name__ for cls in classes - set(STATUS_AND_CODE)} == set()
    for status, code in STATUS_AND_CODE.values():
        assert 400 <= status < 600
        assert code.replace("_", "").isalpha()
        assert code.islower()


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/tenants/public/executions/no-such-run", 404, "execution_not_found"),
        ("GET", "/v1/tenants/other/executions/x", 404, "tenant_not_found"),
        ("GET", "/v1/no-such-path", 404, "not_found"),
        ("DELETE", "/health", 405, "method_not_allowed"),
        ("GET", "/health?" + "x" * 9000, 414, "too_large"),
    ],
)
def test_errors_have_one_shape(live: Live, method: str, path: str, status: int, code: str) -> None:
    with live.client() as client:
        response = client.request(method, path, headers={"x-request-id": "req-1.A_b"})
    assert response.status_code == status
    body = response.json()
    assert body["code"] == code
    assert body["request_id"] == response.headers["x-request-id"] == "req-1.A_b"
    assert set(body) <= {"error", "code", "hint", "request_id"}
    assert body["error"]


def test_a_page_gets_a_page(live: Live) -> None:
    with live.browser() as browser:
        response = browser.get("/ui/public/runs/no-such-run")
    assert response.status_code == 404
    assert response.headers["content-type"].startswith("text/html")
    assert 'data-error="404"' in response.text
    assert response.headers["x-request-id"] in response.text
    assert "no-such-run" in response.text
    assert "<code>holdwater runs list</code> shows" in response.text
    assert "<nav" in response.text


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "<script>", "é"])
def test_a_bad_request_id_is_replaced(live: Live, given: str) -> None:
    with live.stranger(headers={"x-request-id": given.encode()}) as client:
        answered = client.get("/health").headers["x-request-id"]
    assert answered != given
    assert answered.isalnum()


def test_an_error_of_ours_says_its_id_and_nothing_else(
    live: Live, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a secret of the server")

    monkeypatch.setattr(FoldedRuns, "view", fail)
    with live.client() as client, caplog.at_level(logging.ERROR, "holdwater.server"):
        response = client.get("/v1/tenants/public/executions/x")
    assert response.status_code == 500
    assert response.json()["code"] == "internal_error"
    assert "secret" not in response.text
    assert response.json()["request_id"] in caplog.text
    assert "a secret of the server" in caplog.text


def test_every_response_has_the_headers(live: Live) -> None:
    with live.browser() as browser:
        for path in (
            "/health",
            "/ui/public/runs",
            "/nothing",
            "/static/x/app.css",
            "/v1/tenants/public/executions/x",
        ):
            headers = browser.get(path).headers
            assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'"), path
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == ("same-origin" if path.startswith("/ui/") else "no-referrer")
            assert "server" not in headers


def test_texts_of_callers_are_text_in_pages(live: Live) -> None:
    with live.browser() as browser:
        text = browser.get("/ui/public/runs/<script>alert(1)<~1script>").text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text
