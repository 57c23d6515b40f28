"""Access to `holdwater ui`: links, sessions, tokens, hosts, origins, forms."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse

from holdwater.server.access import caller_of
from holdwater.server.form_posts import PostedForm
from holdwater.server.pages import PAGE_ROUTERS
from tests.server.live import API_TOKEN, Live

PROTECTED = ("/ui", "/ui/public/runs", "/v1/tenants/public/executions/x", "/docs", "/no-such-path", "/v1/tenants/x/y")
RUNS = "/ui/public/runs"


def test_without_a_session_or_a_token_only_health_and_files_are_answered(live: Live) -> None:
    with live.stranger() as client:
        for path in PROTECTED:
            response = client.get(path)
            assert response.status_code == 401, path
            assert response.headers["www-authenticate"] == "Bearer"
        for path in ("/health", "/ready", "/openapi.json", "/static/any/app.css"):
            assert client.get(path).status_code == 200, path
        assert client.get("/static/../app.py").status_code == 401


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer wrong", "Basic dG9rZW4=", "Bearer \xe9", "bearer token-of-the-tests"]
)
def test_a_wrong_token_is_refused_like_none(live: Live, value: str) -> None:
    with live.stranger(headers={"authorization": value.encode("latin-1")}) as client:
        refused = client.get("/v1/tenants/public/executions/x")
    assert refused.status_code == 401
    assert refused.json()["code"] == "unauthorized"
    assert "Authorization: Bearer" in refused.json()["hint"]


def test_a_session_does_not_help_a_wrong_token(live: Live) -> None:
    with live.browser() as browser:
        assert browser.get(RUNS).status_code == 200
        assert browser.get(RUNS, headers={"authorization": "Bearer wrong"}).status_code == 401


def test_two_tokens_are_refused(live: Live) -> None:
    headers = [("authorization", f"Bearer {API_TOKEN}"), ("authorization", "Bearer other")]
    with live.stranger() as client:
        assert client.get("/v1/tenants/public/executions/x", headers=headers).status_code == 401


def test_a_link_signs_in_once(live: Live) -> None:
    assert live.access is not None
    token = live.access.new_link_token()
    with live.stranger() as first, live.stranger() as second:
        page = first.get("/ui", params={"token": token})
        cookie = page.headers["set-cookie"]
        assert page.status_code == 200
        assert 'http-equiv="refresh" content="0; url=/ui"' in page.text
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert token not in page.text
        assert first.get(RUNS).status_code == 200
        refused = second.get("/ui", params={"token": token})
        assert refused.status_code == 401
        assert "set-cookie" not in refused.headers
        assert second.get(RUNS).status_code == 401


@pytest.mark.parametrize("token", ["", "wrong", "\xe9", "\U0001f600"])
def test_a_wrong_link_is_refused(live: Live, token: str) -> None:
    assert live.access is not None
    live.access.new_link_token()
    with live.stranger() as client:
        assert client.get("/ui", params={"token": token}).status_code == 401


def test_a_session_of_the_callers_choice_is_none(live: Live) -> None:
    with live.stranger(cookies={f"holdwater-{live.port}": "x" * 43}) as client:
        assert client.get(RUNS).status_code == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "a b", "[::1", ""]
)
def test_a_foreign_host_name_is_refused(live: Live, host: str) -> None:
    with live.client(headers={"host": host}) as client:
        for path in ("/health", RUNS, "/v1/tenants/public/executions/x"):
            assert client.get(path).status_code == 421


@pytest.mark.parametrize("host", ["localhost", "localhost:9", "127.0.0.1", "[::1]:8765", "LOCALHOST:8765"])
def test_names_of_this_machine_are_accepted(live: Live, host: str) -> None:
    with live.client(headers={"host": host}) as client:
        assert client.get("/health").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://["},
        {"origin": ""},
        {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {},
    ],
)
def test_a_request_of_another_site_changes_nothing(live: Live, headers: dict[str, str]) -> None:
    with live.browser() as browser:
        for path in ("/v1/tenants/public/executions/x/cancel", RUNS):
            refused = browser.post(path, headers=headers)
            assert refused.status_code == 403
            assert "another site" in refused.text


def test_a_form_of_an_old_browser_reaches_pages_only(live: Live) -> None:
    """They have a token; a path of the API has none."""
    with live.browser() as browser:
        headers = {"content-type": "application/x-www-form-urlencoded"}
        refused = browser.post("/v1/tenants/public/executions/x/cancel", headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "cross_site")
        assert "earlier session" in browser.post("/ui/public/runs/bulk", headers=headers).text


@pytest.fixture
def form_page(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """A page with a form; returns the forms that were accepted."""
    accepted: list[dict[str, str]] = []
    router = APIRouter()

    @router.get("/form-of-tests")
    def show(request: Request) -> PlainTextResponse:
        return PlainTextResponse(caller_of(request).csrf)

    @router.post("/form-of-tests")
    def take(form: PostedForm) -> PlainTextResponse:
        accepted.append({name: str(value) for name, value in form.items()})
        return PlainTextResponse("done")

    monkeypatch.setattr("holdwater.server.app.PAGE_ROUTERS", (*PAGE_ROUTERS, router))
    return accepted


def test_a_form_needs_the_token_of_its_session(form_page: list[dict[str, str]], serve: Callable[..., Live]) -> None:
    live, path, ours = serve(), "/ui/public/form-of-tests", {"sec-fetch-site": "same-origin"}
    with live.browser() as browser, live.browser() as other, live.client() as program:
        csrf, foreign = browser.get(path).text, other.get(path).text
        assert csrf != foreign
        for data in ({}, {"csrf_token": "wrong"}, {"csrf_token": ""}, {"csrf_token": foreign}):
            refused = browser.post(path, data=data, headers=ours)
            assert refused.status_code == 403
            assert "nothing was changed" in refused.text
        assert program.post(path, data={"csrf_token": ""}).status_code == 403
        surrogate = b'--x\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n+2AA-\r\n--x--\r\n'
        in_utf7 = {"content-type": "multipart/form-data; boundary=x; charset=utf-7", **ours}
        assert browser.post(path, content=surrogate, headers=in_utf7).status_code == 403
        assert form_page == []
        assert browser.post(path, data={"csrf_token": csrf, "reason": "tests"}, headers=ours).text == "done"
        assert browser.post(path, data={"csrf_token": csrf}, headers={"origin": live.origin}).text == "done"
    assert form_page == [{"csrf_token": csrf, "reason": "tests"}, {"csrf_token": csrf}]


def test_read_only_access_changes_nothing(serve: Callable[..., Live]) -> None:
    live = serve(read_only=True)
    with live.client() as client, live.browser() as browser:
        for method, path in (
            ("POST", "executions/x/cancel"),
            ("PUT", "retention"),
            ("PATCH", "triggers/x"),
            ("DELETE", "triggers/x"),
        ):
            refused = client.request(method, f"/v1/tenants/public/{path}")
            assert refused.status_code == 403
            wanted = "admin_required" if path == "retention" else "insufficient_permissions"
            assert refused.json()["code"] == wanted
        assert browser.post(RUNS, headers={"sec-fetch-site": "same-origin"}).status_code == 403
        assert browser.get(RUNS).status_code == 200
