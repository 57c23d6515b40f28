"""Every page in the browser."""

from __future__ import annotations

from tests.server.browser.conftest import OpenPage, Processes

PAGES = ("runs", "workflows", "schedules", "questions", "packages", "ops")


def test_the_pages_open(processes: Processes, open_page: OpenPage) -> None:
    runner = processes.runner()
    run_id = runner.submit("orders")
    page = open_page(processes.ui()[1])
    page.locator(f"[data-run='{run_id}']").wait_for()
    for name in PAGES:
        page.goto(f"{page.url.rpartition('/')[0]}/{name}")
        page.locator("h1").wait_for()
