"""A server in the browser: tenants, keys, uploads, audit; on small screens, without scripts, by keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.postgres.cluster import Cluster
from tests.server.administration.conftest import Administered, administer
from tests.server.browser.conftest import OpenPage
from tests.server.serving.packages import archive
from tests.suite.effort import LONG

if TYPE_CHECKING:
    from playwright.sync_api import Page

Check = Callable[["Page"], None]
OF_A_TENANT = ("keys", "keys/new", "audit", "packages/upload", "packages", "trusted-keys", "limits", "secrets")
OF_THE_SERVER = ("tenants", "tenants/new", "tenants/web_acme", "keys", "audit", "server")
PAGES = (*[f"web_acme/{name}" for name in OF_A_TENANT], *[f"admin/{name}" for name in OF_THE_SERVER], "tenants")


@pytest.fixture(scope="module")
def server(postgres: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Administered]:
    with administer(postgres, tmp_path_factory.mktemp("administered")) as found:
        for name in ("web_acme", "web_globex"):
            found.make_tenant(name)
        yield found


def sign_in(page: Page, key: str, *, read_only: bool = False) -> None:
    page.get_by_label("API key").fill(key)
    if read_only:
        page.get_by_label("Read only").check()
    page.get_by_role("button", name="Sign in").click()
    page.locator("[data-section], nav.rail").first.wait_for()


def forget_refusal(page: Any) -> None:
    """The browser reports the status of a refused form on its console, by itself."""
    page.console_errors[:] = [text for text in page.console_errors if "Failed to load resource" not in text]


def test_from_the_first_key_to_the_first_run(server: Administered, open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(f"{server.origin}/ui/admin/tenants")
    page.get_by_label("API key").fill("wrong")
    page.get_by_label("API key").press("Enter")
    page.get_by_role("alert").get_by_text("This key was not accepted.").wait_for()
    forget_refusal(page)
    sign_in(page, server.god)

    page.get_by_role("link", name="Add a tenant").click()
    page.get_by_label("Name").fill("web_initech")
    page.get_by_role("button", name="Add tenant").click()
    page.get_by_role("link", name="Create a key").click()
    page.get_by_label("Name").fill("deploys")
    page.get_by_label("Write: start and steer runs").check()
    page.get_by_role("button", name="Create key").click()
    key = page.locator("[data-secret]").inner_text()
    assert key.startswith("hw_")

    theirs = open_page(server.origin)
    sign_in(theirs, key)
    assert theirs.url.endswith("/ui/web_initech/runs")
    assert theirs.get_by_role("link", name="Keys").count() == 0
    theirs.goto(f"{server.origin}/ui/web_initech/packages")
    theirs.get_by_role("link", name="Upload a package").click()
    (tmp_path / "orders.cloacina").write_bytes(archive())
    theirs.get_by_label("Package").set_input_files(tmp_path / "orders.cloacina")
    theirs.get_by_role("button", name="Upload").click()
    theirs.locator("[data-release-state=active]").wait_for()
    theirs.get_by_role("link", name="orders", exact=True).click()
    theirs.get_by_role("link", name="Start").first.click()
    theirs.get_by_role("button", name="Start").first.click()
    theirs.locator("[data-status=completed]").wait_for()

    theirs.goto(f"{server.origin}/ui/web_initech/workflows/orders")
    theirs.get_by_role("button", name="Pause").click()
    theirs.get_by_role("dialog").get_by_role("button", name="Pause").click()
    theirs.locator("[data-paused]").wait_for()
    theirs.get_by_role("button", name="Resume").click()
    theirs.get_by_role("link", name="Start a run").wait_for()

    page.goto(f"{server.origin}/ui/web_initech/audit")
    page.get_by_label("What", exact=True).select_option("upload_package")  # acts when it is changed
    page.wait_for_url("**/audit?verb=upload_package")
    page.locator("[data-verb=upload_package][data-outcome=done]").wait_for()
    page.get_by_text("deploys").first.wait_for()
    page.goto(f"{server.origin}/ui/web_initech/keys")
    page.get_by_role("link", name="deploys").click()
    page.get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    page.get_by_role("status").get_by_text("is revoked").wait_for()
    theirs.locator("[data-signed-out] a", has_text="Sign in").wait_for()
    forget_refusal(theirs)
    theirs.locator("[data-signed-out] a").click()
    theirs.get_by_label("API key").wait_for()

    page.goto(f"{server.origin}/ui/admin/tenants/web_initech")
    page.get_by_role("button", name="Remove").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Write its name").fill("web_initech")
    dialog.get_by_label("Also if it is in use").check()
    dialog.get_by_role("button", name="Remove for good").click()
    page.get_by_role("status").get_by_text("The tenant web_initech is removed").wait_for()
    assert page.locator("[data-tenant=web_initech]").count() == 0


def test_switching_by_keyboard_shows_nothing_of_the_other_tenant(server: Administered, open_page: OpenPage) -> None:
    page = open_page(f"{server.origin}/ui/web_acme/runs")
    sign_in(page, server.god)
    page.goto(f"{server.origin}/ui/web_acme/runs?workflow=of-web_acme")
    page.get_by_role("button", name="Save view").first.click()
    page.get_by_role("dialog").get_by_label("Name").fill("View of web_acme")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="View of web_acme").wait_for()
    page.locator("body").press("t")
    search = page.get_by_role("searchbox", name="Find a tenant")
    search.fill("glob")
    page.locator("[data-choices] a", has_text="web_globex").wait_for()
    page.locator("[data-choices] a", has_text=re.compile("web_acme")).wait_for(state="detached")
    search.press("Enter")
    page.wait_for_url("**/ui/web_globex/runs")
    assert "web_acme" not in page.content()


def test_without_scripts(server: Administered, open_page: OpenPage) -> None:
    page = open_page(f"{server.origin}/ui/web_acme/keys/new", java_script_enabled=False)
    page.get_by_label("API key").fill(server.god)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Name").fill("plain")
    page.get_by_role("button", name="Create key").click()
    page.locator("[data-secret]").wait_for()
    page.locator("details[data-tenants] > summary").click()
    page.get_by_role("link", name="All tenants").click()
    page.get_by_role("main").get_by_role("link", name="web_globex").click()
    page.get_by_role("heading", name="Keys").wait_for()
    assert page.url.endswith("/ui/web_globex/keys")
    page.locator("summary[aria-label^=Account]").click()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("API key").wait_for()


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"width": 360, "color_scheme": "light"}, id="small"),
        pytest.param({"width": 1440, "color_scheme": "light"}, id="light", marks=LONG),
        pytest.param({"width": 1440, "color_scheme": "dark"}, id="dark", marks=LONG),
    ],
)
def test_for_everyone(
    server: Administered, open_page: OpenPage, assert_accessible: Check, options: dict[str, Any]
) -> None:
    page = open_page(f"{server.origin}/ui/web_acme/keys", **options)
    assert_accessible(page)
    sign_in(page, server.god)
    for path in PAGES:
        page.goto(f"{server.origin}/ui/{path}")
        page.get_by_role("heading", level=1).wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= options["width"], path
        assert_accessible(page)
