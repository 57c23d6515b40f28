"""The pages of packages, as a browser without scripts uses them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from holdwater import DefaultRunner
from holdwater.operations.databases import Database
from holdwater.operations.releases import get_release
from holdwater.server.app import create_app
from holdwater.server.executed_packages import ExecutedPackages
from holdwater.server.serving import listen_on_loopback
from holdwater.server.sessions import SessionAccess
from holdwater.server.tenant_database import OneTenant, TenantDatabase
from tests.server.live import Live, serve_app, serve_database
from tests.server.pages_client import post_form
from tests.suite.releases import TRACEBACK, put_release


@dataclass(frozen=True)
class Host:
    release: str
    package: str
    version: str
    pid: int
    state: str
    calls: int


@dataclass(frozen=True)
class Rejected:
    source: str
    error: str


@pytest.fixture
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('packages')}/runs.db"


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with DefaultRunner(url) as opened:
        yield Database.of(opened._engine)


@pytest.fixture
def browser(url: str, database: Database) -> Iterator[httpx.Client]:
    with serve_database(url) as live, live.browser() as client:
        yield client


def test_an_empty_page_teaches(browser: httpx.Client) -> None:
    page = browser.get("/ui/public/packages").text
    assert 'data-empty="packages"' in page
    assert "holdwater package new" in page


def test_every_release_with_its_state_and_error(browser: httpx.Client, database: Database) -> None:
    put_release(database, "orders", "1.1", pinned=True, signed_by="ab" * 32)
    put_release(database, "orders", "1.2", "broken", error=TRACEBACK, attempts=2, next_attempt_at=database.clock.now())
    put_release(database, "orders", "0.9", "gone")
    page = browser.get("/ui/public/packages").text
    assert re.findall(r'data-release="\w+" data-state="(\w+)"', page) == ["broken", "active"]
    assert "ModuleNotFoundError: No module named &#39;&lt;b&gt;nothing" in page
    assert "<b>nothing" not in page
    assert "2 attempts" in page
    assert "pinned" in page
    assert "abababababababab" in page
    assert 'data-again="5000"' in page
    put_release(database, "orders", "1.3", "registering")
    assert 'data-again="1000"' in browser.get("/ui/public/packages", params={"fragment": "rows"}).text


def test_one_release_and_requests_about_it(browser: httpx.Client, database: Database) -> None:
    old, new = put_release(database, "orders", "1.0", "inactive"), put_release(database, "orders", "1.1")
    page = browser.get(f"/ui/public/packages/{old}").text
    assert "holdwater package activate orders 1.0 " in page
    assert f"/packages/{new}" in page, "the other version"
    assert "New runs take orders==1.0" in post_form(browser, f"/packages/{old}/activate").text
    assert get_release(database, old).is_pinned
    assert "The highest version" in post_form(browser, f"/packages/{old}/unpin").text
    refused = post_form(browser, f"/packages/{new}/retry")
    assert "is active, not broken" in refused.text
    removed = post_form(browser, f"/packages/{new}/remove").text
    assert "starts nothing more" in removed
    assert 'data-release-state="draining"' in removed
    assert "being removed" in post_form(browser, f"/packages/{new}/activate").text
    assert browser.get(f"/ui/public/packages/{'0' * 16}").status_code == 404


def test_many_releases_come_in_pages(browser: httpx.Client, database: Database) -> None:
    for number in range(203):
        put_release(database, f"p{number:03}", "1")
    first = browser.get("/ui/public/packages").text
    following = re.search(r'href="\?(after=\w+)"', first)
    assert following is not None
    assert len(re.findall("data-release=", first)) == 200
    assert len(re.findall("data-release=", browser.get(f"/ui/public/packages?{following[1]}").text)) == 3


def test_processes_of_a_daemon(url: str, database: Database) -> None:
    release = put_release(database, "orders", "1.1")
    rejected = [Rejected("/srv/<b>.cloacina", "it is no archive")]
    hosts = [Host(release, "orders", "1.1", 4711, "busy", 1234)]
    listening = listen_on_loopback(0, may_choose=False)
    access = SessionAccess(listening.getsockname()[1], "admin", "x" * 40)
    tenant = TenantDatabase.open(url)
    tenant.executed = ExecutedPackages(lambda: hosts, lambda: rejected)
    app = create_app(OneTenant(tenant), access)
    with serve_app(app, access, listening) as live, live.browser() as client:
        page = client.get("/ui/public/packages").text
        assert 'data-host="4711"' in page
        assert "/srv/&lt;b&gt;.cloacina" in page
        assert "it is no archive" in page
        page = client.get(f"/ui/public/packages/{release}").text
        assert "busy, 1234 calls" in page or "busy, 1,234 calls" in page


def test_a_reader_sees_no_controls(url: str, database: Database) -> None:
    release = put_release(database, "orders", "1", "broken", error="no")

    def check(live: Live) -> None:
        with live.browser() as reader:
            for path in ("packages", f"packages/{release}"):
                page = reader.get(f"/ui/public/{path}").text
                assert "Retry now" not in page
                assert "Remove" not in page

    with serve_database(url, read_only=True) as live:
        check(live)
