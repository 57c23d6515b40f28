"""The page of a run in the browser, beside runners that are really killed."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.server.browser.conftest import OpenPage, Processes
from tests.suite.effort import LONG

if TYPE_CHECKING:
    from playwright.sync_api import Page

TABS = ("graph", "timeline", "tasks", "events", "context", "doctor")
WIDTHS = (1440, 1000, 360)


def open_run(open_page: OpenPage, url: str, run_id: str, query: str = "", **options: Any) -> Page:
    """Sign in, and open the page of a run."""
    page = open_page(url, **options)
    page.goto(run_url(page, run_id, query))
    return page


def run_url(page: Page, run_id: str, query: str = "") -> str:
    origin = re.match(r"https?://[^/]+", page.url)
    assert origin is not None
    return f"{origin[0]}/ui/public/runs/{run_id}{query}"


def free_port() -> int:
    """Return a port of this machine that is free now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def wait_for_status(page: Page, status: str) -> None:
    page.locator(f"[data-status={status}]").wait_for()


def test_a_run_is_watched_as_it_goes_on(processes: Processes, open_page: OpenPage) -> None:
    runner = processes.runner()
    run_id = runner.submit("orders", {"waits": True})
    page = open_run(open_page, processes.ui()[1], run_id, "?tab=timeline&node=price")
    page.locator("[data-live-light][data-state=on]").wait_for()
    page.locator("tr[data-node=stock] .mark-completed").wait_for()
    page.locator("tr[data-node=price] rect.running[data-open]").wait_for()
    page.locator("[data-now-line]").wait_for(state="attached")
    page.locator("main").evaluate("(main) => { main.dataset.stays = 'yes'; }")
    processes.open_gate("price")
    wait_for_status(page, "completed")
    page.locator("#panel [data-state=completed]").first.wait_for()
    page.locator("[data-progress]", has_text="5/5").wait_for()
    assert page.locator("rect[data-open], [data-now-line]").count() == 0
    page.locator("main[data-stays=yes]").wait_for()  # it was not loaded again


def test_a_killed_runner_and_the_one_that_takes_over(processes: Processes, open_page: OpenPage) -> None:
    runner = processes.runner()
    run_id = runner.submit("orders", {"waits": True})
    page = open_run(open_page, processes.ui()[1], run_id, "?tab=tasks")
    page.locator("tr[data-node=price] .mark-running").wait_for()
    runner.kill()
    page.reload()
    page.locator("[data-state=orphaned]").first.wait_for()
    page.get_by_text("the next runner that has orders takes it over").wait_for()
    page.goto(run_url(page, run_id, "?tab=timeline"))
    page.locator("[data-node=price] .bar.lost").wait_for()
    page.goto(run_url(page, run_id, "?tab=tasks"))
    page.locator("[data-live-light][data-state=on]").wait_for()
    processes.open_gate("price")
    processes.runner()
    wait_for_status(page, "completed")
    page.goto(run_url(page, run_id, "?tab=events&group=failures"))
    page.get_by_text("task_attempt_lost").wait_for()


def test_the_page_goes_on_after_a_restart_of_the_server(processes: Processes, open_page: OpenPage) -> None:
    """The UI is mounted in another application, which asks for no session."""
    run_id = processes.runner().submit("orders", {"waits": True})
    port = str(free_port())
    mounted = ("-m", "tests.server.browser.mounted", processes.url, port)
    server, _ = processes.start(*mounted, ready="http://")
    page = open_page(f"http://127.0.0.1:{port}/workflows/ui/public/runs/{run_id}?tab=tasks")
    page.locator("[data-live-light][data-state=on]").wait_for()
    server.kill()
    server.wait()
    page.locator("[data-live-light]", has_text="reconnecting").wait_for()
    processes.open_gate("price")
    processes.start(*mounted, ready="http://")
    wait_for_status(page, "completed")
    page.console_errors.clear()  # type: ignore[attr-defined]


def test_with_the_keyboard_alone(processes: Processes, open_page: OpenPage) -> None:
    run_id = processes.runner().submit("orders", {"fails": True})
    page = open_run(open_page, processes.ui()[1], run_id)
    wait_for_status(page, "failed")
    for number, tab in enumerate(TABS, 1):
        page.keyboard.press(str(number))
        page.locator(f"#tab-{tab}").wait_for()
    page.keyboard.press("f")
    page.locator("[data-panel=charge]").wait_for()
    page.locator("[data-traceback]", has_text="502 Bad Gateway").wait_for()
    assert "node=charge" in page.url
    page.keyboard.press("Escape")
    page.locator("#panel").wait_for(state="detached")
    assert "node=" not in page.url
    page.keyboard.press("3")
    page.locator("#tab-tasks").wait_for()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.locator("[data-panel=load]").wait_for()
    page.go_back()
    page.locator("#panel").wait_for(state="detached")
    page.locator("#tab-tasks").wait_for()


def test_filters_are_in_the_url(processes: Processes, open_page: OpenPage) -> None:
    run_id = processes.runner().submit("orders", {"fails": True})
    page = open_run(open_page, processes.ui()[1], run_id, "?tab=tasks&node=charge")
    wait_for_status(page, "failed")
    page.get_by_label("State").select_option("failed")
    page.locator("tr[data-node=load]").wait_for(state="detached")
    assert "state=failed" in page.url
    page.get_by_label("A part of the task's name").fill("nothing")
    page.get_by_text("No task matches").wait_for()
    page.get_by_role("link", name="Show all 5 tasks").click()
    page.locator("tr[data-node=load]").wait_for()
    page.get_by_role("link", name="Events", exact=True).click()
    page.locator("[data-key^=event-]").first.wait_for()
    assert page.locator("tr[data-node]").count() == 0


def test_a_run_is_cancelled_and_retried(processes: Processes, open_page: OpenPage) -> None:
    run_id = processes.runner().submit("orders", {"waits": True})
    page = open_run(open_page, processes.ui()[1], run_id, "?tab=tasks")
    page.locator("[data-act=cancel]").click()
    dialog = page.get_by_role("dialog", name="Cancel this run?")
    dialog.get_by_text("price will be told to stop.").wait_for()
    dialog.get_by_text(f"holdwater runs cancel {run_id}").wait_for()
    dialog.get_by_label("Reason").fill("wrong <b>amount")
    dialog.locator(".command", has_text="--reason 'wrong <b>amount'").wait_for()
    dialog.get_by_role("button", name="Cancel run").click()
    page.locator(".notice", has_text="being cancelled").wait_for()
    processes.open_gate("price")
    wait_for_status(page, "cancelled")
    page.locator(".why", has_text="wrong <b>amount").wait_for()
    assert "tab=tasks" in page.url
    page.locator("[data-act=retry]").click()
    page.get_by_role("dialog").get_by_role("button", name="Retry run").click()
    wait_for_status(page, "completed")


def test_an_ended_run_hears_that_it_is_tried_again_elsewhere(processes: Processes, open_page: OpenPage) -> None:
    run_id = processes.runner().submit("orders", {"waits": True})
    steer = ("-m", "holdwater", "runs")
    processes.start(*steer, "cancel", run_id, "--reason", "wrong day", ready="cancel")
    processes.open_gate("price")
    page = open_run(open_page, processes.ui()[1], run_id, "?tab=tasks")
    wait_for_status(page, "cancelled")
    page.reload()  # it had ended when the page was opened
    wait_for_status(page, "cancelled")
    page.locator("html[data-follows=hints]").wait_for()
    processes.start(*steer, "retry", run_id, ready="is tried again")
    wait_for_status(page, "completed")


def test_a_fork_with_an_edited_value(processes: Processes, open_page: OpenPage) -> None:
    run_id = processes.runner().submit("orders", {"fails": True})
    page = open_run(open_page, processes.ui()[1], run_id, "?node=charge")
    wait_for_status(page, "failed")
    page.get_by_role("button", name="Fork from here").click()
    dialog = page.get_by_role("dialog", name="Fork this run")
    dialog.get_by_text("keeps 3 recorded results and runs charge and notify").wait_for()
    values = dialog.get_by_label("Values as it will see them")
    as_it_was = values.input_value()
    command = dialog.locator(".command", has_text="runs fork")
    command.wait_for()
    values.fill("{")
    command.wait_for(state="hidden")
    values.fill(as_it_was)
    command.wait_for()
    values.fill("{")
    dialog.get_by_role("button", name="Start the fork").click()
    dialog.locator("#fork-values-error", has_text="This is no JSON").wait_for()
    assert values.input_value() == "{"
    assert command.count() == 0
    dialog.get_by_label("From task").select_option("price")
    dialog.get_by_text("keeps 2 recorded results").wait_for()
    dialog.get_by_label("From task").select_option("charge")
    dialog.get_by_text("keeps 3 recorded results").wait_for()
    values.fill('{"amount": 950, "price": 7, "stock": 7}')
    dialog.locator(".command", has_text="--from charge --set price=7 ").wait_for()
    dialog.get_by_role("button", name="Start the fork").click()
    page.locator(".notice", has_text="begins at charge").wait_for()
    assert run_id not in page.url
    wait_for_status(page, "completed")
    page.get_by_role("link", name="Data").click()
    page.locator("[data-value=charged]", has_text="7").wait_for()


def test_a_question_is_answered(processes: Processes, open_page: OpenPage) -> None:
    run_id = processes.runner().submit("articles", {"topic": "rain"})
    page = open_run(open_page, processes.ui()[1], run_id)
    page.locator(".why", has_text="waits for approved").wait_for()
    page.locator(".run-acts").get_by_role("link", name="Answer").click()
    question = page.get_by_role("region", name="Question")
    question.get_by_text("publish 'about rain'?").wait_for()
    question.get_by_role("button", name="Answer").click()
    question.locator(".error").first.wait_for()
    question.get_by_role("radio", name="Yes", exact=True).check()
    question.get_by_role("button", name="Answer").click()
    wait_for_status(page, "completed")
    page.locator("#panel [data-value=approved]", has_text="true").wait_for()


def test_without_a_script(processes: Processes, open_page: OpenPage) -> None:
    run_id = processes.runner().submit("orders", {"fails": True})
    page = open_run(open_page, processes.ui()[1], run_id, "?tab=tasks", java_script_enabled=False)
    while page.locator("[data-status=failed]").count() == 0:
        page.reload()
    page.get_by_role("link", name="charge", exact=True).first.click()
    page.locator("[data-panel=charge]").wait_for()
    for name in ("Graph", "Timeline", "Events", "Data", "Doctor"):
        page.get_by_role("link", name=name, exact=True).click()
        page.locator("[data-panel=charge]").wait_for()
    page.get_by_role("link", name="Close the panel").click()
    page.get_by_role("button", name="Fork").click()
    page.get_by_label("From task").select_option("stock")
    page.get_by_role("button", name="Show its values").click()
    page.get_by_text("keeps 2 recorded results").wait_for()
    page.get_by_label("Values as it will see them").fill("[]")
    page.get_by_role("button", name="Start the fork").click()
    page.get_by_text("The values are one JSON object").wait_for()
    assert any("400" in error for error in page.console_errors)  # type: ignore[attr-defined]
    page.console_errors.clear()  # type: ignore[attr-defined]
    page.get_by_label("Values as it will see them").fill('{"amount": 1}')
    page.get_by_role("button", name="Start the fork").click()
    page.locator(".notice", has_text="begins at stock").wait_for()


# contrast in both themes is also computed from the colours (tests/server/test_contrast.py)
@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=LONG)])
def test_every_tab_is_accessible_and_fits(
    processes: Processes, open_page: OpenPage, assert_accessible: Callable[[Page], None], scheme: str
) -> None:
    run_id = processes.runner().submit("orders", {"fails": True})
    page = open_run(open_page, processes.ui()[1], run_id, color_scheme=scheme, reduced_motion="reduce")
    wait_for_status(page, "failed")
    for tab in TABS:
        page.set_viewport_size({"width": 1440, "height": 900})
        for node in ("", "&node=charge"):
            page.goto(run_url(page, run_id, f"?tab={tab}{node}"))
            page.locator(f"#tab-{tab}").wait_for()
            assert_accessible(page)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            page.locator(f"#tab-{tab}").wait_for()
            overflow = page.locator("html").evaluate("(html) => html.scrollWidth - html.clientWidth")
            assert (tab, width, overflow) == (tab, width, 0)
    page.goto(run_url(page, run_id, "/fork"))
    assert_accessible(page)
    page.goto(run_url(page, run_id, "?tab=tasks"))
    page.locator("[data-act=retry]").click()
    page.get_by_role("dialog").wait_for()
    assert_accessible(page)


def test_the_panel_keeps_its_width(processes: Processes, open_page: OpenPage) -> None:
    run_id = processes.runner().submit("orders")
    page = open_run(open_page, processes.ui()[1], run_id, "?tab=tasks&node=load")
    wait_for_status(page, "completed")
    box = page.locator("[data-grip]").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 6, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] - 94, box["y"] + 60, steps=4)
    page.mouse.up()
    wide = page.locator("#panel").bounding_box()
    assert wide is not None
    assert 500 <= wide["width"] <= 540
    page.reload()
    again = page.locator("#panel").bounding_box()
    assert again is not None
    assert again["width"] == wide["width"]


def test_a_drag_on_the_axis_zooms(processes: Processes, open_page: OpenPage) -> None:
    run_id = processes.runner().submit("orders")
    page = open_run(open_page, processes.ui()[1], run_id, "?tab=timeline")
    wait_for_status(page, "completed")
    page.locator("html[data-drag] [data-axis]").wait_for()
    box = page.locator("[data-axis]").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 100, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 300, box["y"] + 10, steps=4)
    page.mouse.up()
    page.get_by_role("link", name="Whole run").wait_for()
    assert "from=" in page.url
    page.get_by_role("link", name="Whole run").click()
    page.get_by_role("link", name="Whole run").wait_for(state="detached")
