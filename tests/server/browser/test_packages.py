"""The pages of packages in the browser: for everyone, without scripts, on small screens, and kept up to date."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from holdwater import DefaultRunner
from holdwater.operations.databases import Database
from tests.server.browser.conftest import OpenPage, Processes
from tests.suite.releases import TRACEBACK, put_release

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture
def database(processes: Processes) -> Iterator[Database]:
    with DefaultRunner(processes.url) as runner:
        found = Database.of(runner._engine)
        put_release(found, "orders", "1.1.0", signed_by="3f" * 32)
        put_release(found, "orders", "1.0.0", "draining")
        put_release(found, "a-package-with-a-long-name-of-its-own", "2026.11.30.dev12+local.4", "inactive", pinned=True)
        put_release(found, "mailer", "2", "broken", error=TRACEBACK, attempts=2, next_attempt_at=found.clock.now())
        yield found


@pytest.mark.parametrize(
    "options",
    [
        {"width": 1440, "color_scheme": "light"},
        {"width": 1440, "color_scheme": "dark"},
        {"width": 360, "color_scheme": "light"},
    ],
    ids=["light", "dark", "small"],
)
def test_for_everyone(
    processes: Processes,
    database: Database,
    open_page: OpenPage,
    assert_accessible: Callable[[Page], None],
    options: dict[str, Any],
) -> None:
    page = open_page(processes.ui()[1], **options)
    page.goto(f"{page.url.rpartition('/')[0]}/packages")
    page.locator("summary", has_text="ModuleNotFoundError").click()
    page.get_by_text("Traceback (most recent call last)").wait_for()
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= options["width"]
    page.get_by_role("link", name="orders 1.1.0").click()
    page.get_by_role("heading", name="Other versions").wait_for()
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= options["width"]
    page.get_by_role("button", name="Remove", exact=True).click()
    dialog = page.get_by_role("dialog", name="Remove orders 1.1.0?")
    assert_accessible(page)
    dialog.get_by_role("button", name="Remove", exact=True).click()
    page.get_by_role("status").get_by_text("starts nothing more").wait_for()
    page.locator("[data-release-state=draining]").wait_for()


def test_without_scripts(processes: Processes, database: Database, open_page: OpenPage) -> None:
    page = open_page(processes.ui()[1], java_script_enabled=False)
    page.goto(f"{page.url.partition('/ui')[0]}/ui/public/packages")
    page.locator("summary", has_text="ModuleNotFoundError").click()
    page.get_by_text("Traceback (most recent call last)").wait_for()
    page.locator("[data-state=broken]").get_by_role("button", name="Retry now").click()
    page.get_by_role("status").get_by_text("mailer==2 is registered again").wait_for()


def test_a_new_release_comes_up_by_itself(processes: Processes, database: Database, open_page: OpenPage) -> None:
    page = open_page(processes.ui()[1])
    page.goto(f"{page.url.rpartition('/')[0]}/packages")
    page.locator("[data-state=broken]").wait_for()
    release = put_release(database, "orders", "1.2.0")
    page.locator(f"[data-release='{release}'][data-state=active]").wait_for()
