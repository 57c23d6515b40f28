"""Signing in with a key, the way to the page that was asked for, and the end of a session."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from holdwater import DefaultRunner
from holdwater.server.page_paths import login_url, own_page, scope_of, section_of
from tests.server.keyed import ACME, COOKIE, GOD, MAX_FAILED, READER, Keyed, serve_tenants
from tests.server.live import Live
from tests.server.pages_client import csrf_of

FORM = {"sec-fetch-site": "same-origin"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Live, Keyed]]:
    directory = tmp_path_factory.mktemp("tenants")
    urls = {name: f"sqlite:///{directory}/{name}.db" for name in ("acme", "globex", "public")}
    for url in urls.values():
        DefaultRunner(url).shutdown()
    with serve_tenants(urls) as (live, policy):
        yield live, policy


@pytest.fixture
def live(served: tuple[Live, Keyed]) -> Live:
    served[1].failed = 0
    return served[0]


@pytest.fixture
def browser(live: Live) -> Iterator[httpx.Client]:
    with live.stranger(headers=FORM) as client:
        yield client


def sign_in(browser: httpx.Client, key: str, **fields: str) -> httpx.Response:
    return browser.post("/ui/login", data={"key": key, **fields})


def test_a_page_without_a_session_leads_to_the_form_and_back(browser: httpx.Client) -> None:
    asked = browser.get("/ui/acme/runs?status=failed")
    assert (asked.status_code, asked.headers["location"]) == (
        303,
        "/ui/login?next=%2Fui%2Facme%2Fruns%3Fstatus%3Dfailed",
    )
    page = browser.get(asked.headers["location"])
    assert page.status_code == 200
    assert 'value="/ui/acme/runs?status=failed"' in page.text
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"
    signed_in = sign_in(browser, ACME, next="/ui/acme/runs?status=failed")
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/ui/acme/runs?status=failed")
    assert browser.get("/ui/acme/runs").status_code == 200
    assert browser.get("/ui/login").headers["location"] == "/ui"


def test_only_pages_lead_to_the_form(browser: httpx.Client) -> None:
    for method, path in (
        ("GET", "/v1/tenants/acme/executions"),
        ("GET", "/ui/acme/runs?fragment=rows"),
        ("POST", "/ui/acme/views"),
    ):
        assert browser.request(method, path).status_code == 401, path
    assert browser.get("/ui/acme/runs", headers={"authorization": "Bearer wrong"}).status_code == 401


def test_a_key_that_is_not_accepted(browser: httpx.Client) -> None:
    for key in ("", "wrong", "x" * 5000):
        refused = sign_in(browser, key, next="/ui/acme/runs")
        assert refused.status_code == 401
        assert "This key was not accepted." in refused.text
        assert 'value="/ui/acme/runs"' in refused.text, "it is tried again"
        assert "www-authenticate" not in refused.headers, "the browser must not ask by itself"
        assert key == "" or key not in refused.text
    for _ in range(MAX_FAILED):
        limited = sign_in(browser, "wrong")
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "60")
    assert "too many attempts" in limited.text


def test_sessions_are_new_and_end(live: Live, browser: httpx.Client) -> None:
    browser.cookies.set(COOKIE, "chosen-by-another-site")
    sign_in(browser, ACME)
    mine = browser.cookies[COOKIE] if len(browser.cookies.jar) == 1 else list(browser.cookies.jar)[-1].value
    assert mine != "chosen-by-another-site"
    browser.cookies.clear()
    browser.cookies.set(COOKIE, mine or "")
    token = csrf_of(browser.get("/ui/acme/schedules").text)
    assert browser.post("/ui/logout", data={"csrf_token": "x"}).status_code == 403
    assert browser.post("/ui/logout", data={"csrf_token": token}).headers["location"] == "/ui/login"
    with live.stranger(cookies={COOKIE: mine or ""}) as thief:
        assert thief.get("/ui/acme/runs").status_code == 303


def test_another_site_signs_no_one_in_or_out(live: Live) -> None:
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}, {"origin": "null"}):
        with live.stranger(headers=headers) as client:
            refused = client.post("/ui/login", data={"key": ACME})
            assert refused.status_code == 403
            assert "set-cookie" not in refused.headers


def test_a_link_from_another_site_finds_the_session(browser: httpx.Client) -> None:
    page = browser.get("/ui/login?next=/ui/acme/runs", headers={"sec-fetch-site": "cross-site"})
    assert 'content="0; url=/ui/acme/runs"' in page.text


def test_a_read_only_session(browser: httpx.Client) -> None:
    sign_in(browser, ACME, read_only="1")
    page = browser.get("/ui/acme/runs").text
    assert "Start a run" not in page
    assert "Read only" in page
    assert 'href="/ui/acme/keys"' not in page
    token = csrf_of(page)
    assert browser.post("/ui/acme/ops/verify", data={"csrf_token": token}).status_code == 403
    assert browser.post("/ui/logout", data={"csrf_token": token}).status_code == 303


def test_the_home_of_a_caller(browser: httpx.Client) -> None:
    sign_in(browser, READER)
    assert browser.get("/ui").headers["location"] == "/ui/acme/runs"
    refused = browser.get("/ui/globex/runs")
    assert refused.status_code == 403
    assert "Go to acme" in refused.text
    assert "globex" not in refused.text.replace("/ui/globex/runs", "")
    missing = browser.get("/ui/no-such-tenant/runs")
    assert missing.status_code == 403
    assert (
        missing.text.replace("no-such-tenant", "globex").partition("Request")[0] == refused.text.partition("Request")[0]
    )
    browser.cookies.clear()
    sign_in(browser, GOD)
    assert browser.get("/ui").headers["location"] == "/ui/public/runs"
    browser.get("/ui/globex/runs")
    assert browser.get("/ui").headers["location"] == "/ui/globex/runs", "that which was looked at last"
    assert browser.get("/ui/acme").headers["location"] == "/ui/acme/runs"
    browser.cookies.set("holdwater_tenant", "removed")
    browser.cookies.delete("holdwater_tenant", path="/", domain="127.0.0.1")
    assert browser.get("/ui").headers["location"] == "/ui/public/runs"


def test_switching_tenants(browser: httpx.Client) -> None:
    sign_in(browser, GOD)
    assert "data-tenants" in browser.get("/ui/acme/schedules").text
    found = browser.get("/ui/tenants?section=schedules&text=AC")
    assert found.headers["location"] == "/ui/acme/schedules"
    several = browser.get("/ui/tenants?section=schedules&text=l").text
    assert 'href="/ui/globex/schedules"' in several
    assert 'href="/ui/acme/schedules"' not in several
    assert browser.get("/ui/tenants?section=../../x&text=acme").headers["location"] == "/ui/acme/runs"
    assert "No tenant has" in browser.get("/ui/tenants?text=<b>").text
    choices = browser.get("/ui/tenants?fragment=choices&here=acme&section=ops").text
    assert choices.count("<a ") == 3
    browser.cookies.clear()
    sign_in(browser, READER)
    assert "data-tenants" not in browser.get("/ui/acme/runs").text
    assert browser.get("/ui/tenants").headers["location"] == "/ui"


def test_views_and_notices_of_a_tenant_stay_in_it(browser: httpx.Client) -> None:
    sign_in(browser, GOD)
    token = csrf_of(browser.get("/ui/acme/runs").text)
    saved = browser.post(
        "/ui/acme/views",
        data={"csrf_token": token, "name": "Of acme", "query": "workflow=secret-orders", "default": "1"},
    )
    assert {cookie.path for cookie in browser.cookies.jar if "view" in cookie.name or "notice" in cookie.name} == {
        "/ui/acme"
    }
    other = browser.get("/ui/globex/runs").text
    assert "Of acme" not in other
    assert "secret-orders" not in other
    own = browser.get(saved.headers["location"]).text
    assert "The view Of acme is kept" in own
    assert "is kept in this browser" not in browser.get(saved.headers["location"]).text, "shown once"


@pytest.mark.parametrize(
    "target",
    ["//evil.example/ui", "https://evil.example/ui", "/ui//../..//evil.example", "/ui/../x", "/ui/%2e%2E/x", "/uix",
     "/ui\\..\\x", "/\\evil.example/ui", "/ui/x\n", "javascript:alert(1)", "/ui/login", "/ui/logout", "/ui/é",
     "/v1/server", "/ui/" + "x" * 3000, "", "/ui/a#b"],
)  # fmt: skip
def test_no_page_to_go_on_to(target: str) -> None:
    assert own_page(target) == ""
    assert login_url("/mounted", target) == "/mounted/ui/login"


def test_paths() -> None:
    for target in ("/ui", "/ui/acme/runs?next=//evil.example", "/docs", "/ui/acme/runs/a%2Fb?tab=graph"):
        assert own_page(target) == target
    assert (scope_of("/ui/acme/runs/x"), scope_of("/ui"), scope_of("/docs")) == ("/ui/acme", "", "")
    assert (section_of("/ui/acme/ops"), section_of("/ui/acme/other"), section_of("/ui/tenants")) == ("ops", "", "")
