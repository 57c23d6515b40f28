"""A run is watched, its runner is killed and started again, a question is answered, a failed run is forked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.server.browser.conftest import OpenPage, Processes

if TYPE_CHECKING:
    from playwright.sync_api import Page


def address_of(page: Page, path: str) -> str:
    """Return the address of a path below the tenant of the pages."""
    return f"{page.url.partition('/ui')[0]}/ui/public/{path}"


def test_a_run_is_watched_while_its_runner_is_killed_and_another_one_goes_on(
    processes: Processes, open_page: OpenPage
) -> None:
    runner = processes.runner()
    run_id = runner.submit("orders", {"waits": True})
    page = open_page(processes.ui()[1])
    page.goto(address_of(page, f"runs/{run_id}?tab=tasks"))
    page.locator("[data-node='stock'] .completed").first.wait_for()
    page.locator("[data-node='price'] .running").first.wait_for()

    runner.kill()
    page.goto(address_of(page, f"runs/{run_id}?tab=doctor"))
    page.locator("[data-finding]").first.wait_for()
    assert str(runner.process.pid) in page.locator("main").inner_text()

    page.goto(address_of(page, f"runs/{run_id}?tab=tasks"))
    page.locator("[data-live-light]", has_text="live").wait_for()
    processes.runner()
    processes.open_gate("price")
    page.locator("[data-status='completed']").wait_for()  # without a reload
    page.locator("[data-node='notify'] .completed").first.wait_for()


def test_a_question_is_answered_and_the_run_goes_on(processes: Processes, open_page: OpenPage) -> None:
    run_id = processes.runner().submit("articles", {"topic": "dams"})
    page = open_page(processes.ui()[1])
    page.goto(address_of(page, f"runs/{run_id}?tab=tasks&node=review"))
    page.get_by_label("Yes").check()
    page.locator("#panel").get_by_role("button", name="Answer").click()
    page.locator("[data-status='completed']").wait_for()
    page.goto(address_of(page, f"runs/{run_id}?tab=tasks&node=publish"))
    assert "about dams" in page.locator("[data-panel='publish']").inner_text()


def test_a_failed_run_is_forked_with_an_edited_value(processes: Processes, open_page: OpenPage) -> None:
    run_id = processes.runner().submit("orders", {"fails": True})
    page = open_page(processes.ui()[1])
    page.goto(address_of(page, f"runs/{run_id}?tab=tasks&node=charge"))
    page.locator("[data-status='failed']").wait_for()
    page.locator("[data-panel='charge']").get_by_role("button", name="Fork from here").click()
    values = page.locator("dialog textarea")
    values.wait_for()
    values.fill(values.input_value().replace('"fails": true', '"fails": false'))
    page.locator("dialog").get_by_role("button", name="Start the fork").click()
    page.locator("[data-status='completed']").wait_for()
    assert run_id not in page.url
    assert "Forked from" in page.locator("#run-head").inner_text()


def test_a_page_says_that_the_server_was_started_again(processes: Processes, open_page: OpenPage) -> None:
    """Its session has ended with the server that made it."""
    processes.runner()
    server, url = processes.ui()
    page = open_page(url)
    page.locator("[data-live-light][data-state=on]").wait_for()
    server.terminate()
    server.wait()
    page.locator("[data-live-light][data-state=wait]").wait_for()
    port = url.partition("127.0.0.1:")[2].partition("/")[0]
    _, again = processes.ui("--port", port)
    said = page.get_by_role("alert")
    said.wait_for()
    assert "the server was started again" in said.inner_text()
    assert "Open the link that it printed" in said.inner_text()
    page.locator("[data-live-light]", has_text="signed out").wait_for()
    page.console_errors.clear()  # type: ignore[attr-defined]  # requests were refused
    page.goto(again)
    page.locator("[data-live-light][data-state=on]").wait_for()
    assert page.get_by_role("alert").count() == 0
