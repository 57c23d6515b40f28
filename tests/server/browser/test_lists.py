"""The pages of lists in the browser: live, with keys only, without scripts, on small screens, for everyone."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.server.browser.conftest import OpenPage, Processes, Runner
from tests.suite.effort import LONG

if TYPE_CHECKING:
    from playwright.sync_api import Page

LISTS = ("runs", "workflows", "schedules", "questions", "packages", "ops")


@pytest.fixture
def runner(processes: Processes) -> Runner:
    return processes.runner()


@pytest.fixture
def page(processes: Processes, runner: Runner, open_page: OpenPage) -> Page:
    """The list of runs, with a live stream."""
    found = open_page(processes.ui()[1])
    found.locator("[data-live-light][data-state=on]").wait_for()
    return found


def url_of(page: Page, path: str) -> str:
    return f"{page.url.partition('/ui/public/')[0]}/ui/public/{path}"


def test_a_list_changes_with_its_runs(page: Page, processes: Processes, runner: Runner) -> None:
    run_id = runner.submit("orders", {"waits": True})
    row = page.locator(f"[data-run='{run_id}']")
    row.locator("[data-state=running]").wait_for()
    processes.open_gate("price")
    row.locator("[data-state=completed]").wait_for()
    page.locator("[data-count=completed] b", has_text="1").wait_for()


def test_rows_do_not_move_under_the_pointer(page: Page, runner: Runner) -> None:
    first = runner.submit("orders")
    page.locator(f"[data-run='{first}'] [data-state=completed]").hover()
    second = runner.submit("orders")
    offer = page.get_by_role("button", name="1 new")
    offer.wait_for()
    assert page.locator(f"[data-run='{second}']").count() == 0
    offer.click()
    page.locator(f"[data-run='{second}']").wait_for()


def test_selected_runs_are_retried_with_a_reason(page: Page, runner: Runner) -> None:
    run_id = runner.submit("orders", {"fails": True})
    row = page.locator(f"[data-run='{run_id}']")
    row.locator("[data-state=failed]").wait_for()
    retry = page.locator("[data-bulk-bar]").get_by_role("button", name="Retry")
    assert retry.is_disabled()
    row.get_by_role("checkbox").check()
    page.get_by_text("1 selected", exact=True).wait_for()
    retry.click()
    dialog = page.get_by_role("dialog", name="Retry runs")
    dialog.get_by_text("1 selected run", exact=True).wait_for()
    dialog.get_by_label("Reason").fill("the service is back")
    dialog.get_by_role("button", name="Retry 1 run", exact=True).click()
    page.get_by_role("status").get_by_text("1 run retried.").wait_for()


def test_all_that_match_are_meant_only_if_that_is_ticked(page: Page, runner: Runner) -> None:
    for _ in range(2):
        runner.submit("orders", {"fails": True})
    page.locator("[data-count=failed] b", has_text="2").wait_for()
    page.reload()
    page.get_by_label("Select all on this page").check()
    page.get_by_text("2 selected", exact=True).wait_for()
    every = page.get_by_label("Select all 2 that match")
    assert not every.is_checked()
    every.check()
    page.get_by_text("All 2 that match are selected").wait_for()
    boxes = page.locator("input[name=run]")
    boxes.first.uncheck()
    page.get_by_text("1 selected", exact=True).wait_for()
    assert not every.is_checked()
    every.check()
    assert boxes.first.is_checked()
    page.locator("[data-bulk-bar]").get_by_role("button", name="Retry").click()
    dialog = page.get_by_role("dialog", name="Retry runs")
    dialog.get_by_text("All 2 runs that match").wait_for()
    dialog.get_by_text("There is no filter.").wait_for()
    dialog.get_by_role("button", name="Retry all 2 runs").click()
    page.get_by_role("status").get_by_text("2 runs retried.").wait_for()


def test_columns_are_chosen_and_kept(page: Page, runner: Runner) -> None:
    runner.submit("orders")
    page.locator("[data-run] [data-state=completed]").wait_for()
    page.goto(url_of(page, "runs?workflow=orders"))
    page.locator("summary", has_text="Columns").click()
    page.get_by_label("Detail").uncheck()
    page.get_by_label("Started by").check()
    page.get_by_role("button", name="Show these").click()
    page.get_by_role("columnheader", name="Started by").wait_for()
    assert "workflow=orders" in page.url
    page.goto(url_of(page, "runs"))
    assert page.get_by_role("columnheader", name="Detail").count() == 0
    headings = [text for text in page.locator("thead th").all_inner_texts() if text.strip()]
    assert headings == ["State", "Workflow", "Labels", "Origin", "Started by", "Started", "Duration", "Run"]
    page.locator("summary", has_text="Columns").click()
    page.get_by_role("button", name="Show the usual ones").click()
    page.get_by_role("columnheader", name="Detail").wait_for()


def test_a_verification_is_looked_at_until_it_has_ended(page: Page, runner: Runner) -> None:
    runner.submit("orders")
    page.goto(url_of(page, "ops"))
    assert page.locator("[data-again]").count() == 0
    page.get_by_role("button", name="Verify the database").click()
    page.get_by_text("No violation").wait_for()
    page.locator("[data-again]").wait_for(state="detached")


def test_keys_go_move_select_and_open(page: Page, runner: Runner) -> None:
    runner.submit("orders")
    page.locator("[data-run] [data-state=completed]").wait_for()
    page.keyboard.press("j")
    page.locator("[data-run].here").wait_for()
    page.keyboard.press("x")
    page.get_by_text("1 selected", exact=True).wait_for()
    page.keyboard.press(".")
    assert page.locator("[data-bulk-bar] :focus").text_content() == "Retry"
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keyboard").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog", name="Keyboard").wait_for(state="hidden")
    page.keyboard.press("/")
    page.locator(".search input:focus").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/runs/[0-9a-f-]{36}"))
    page.locator("#run-head").wait_for()
    page.keyboard.press(".")
    assert page.locator(".run-acts :focus").text_content() == "Fork"
    page.keyboard.press("g")
    page.keyboard.press("q")
    page.wait_for_url(re.compile("/questions$"))


def test_a_question_is_answered(page: Page, runner: Runner) -> None:
    run_id = runner.submit("articles", {"topic": "<i>rain</i>"})
    page.locator(".rail .count", has_text="1").wait_for()
    page.goto(url_of(page, "questions"))
    question = page.locator("[data-question=review]")
    assert "<i>rain</i>" in (question.text_content() or "")
    question.get_by_role("radio", name="Yes", exact=False).first.check()
    question.get_by_role("button", name="Answer").click()
    page.get_by_role("status").get_by_role("link", name="Open the run").click()
    page.wait_for_url(re.compile(run_id))
    page.locator(".state.completed").first.wait_for()


def test_fires_are_previewed_while_one_types(page: Page) -> None:
    page.goto(url_of(page, "schedules/new"))
    page.get_by_label("Cron expression").press_sequentially("30 2 28 3 *")
    page.get_by_label("Time zone").fill("Europe/Berlin")
    page.get_by_text("fires right after").first.wait_for()
    page.get_by_label("Workflow").fill("orders")
    page.get_by_role("button", name="Add schedule").click()
    page.get_by_role("status").get_by_text("orders is scheduled.").wait_for()
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("status").get_by_text("is paused").wait_for()


def test_a_run_is_started_from_its_form(page: Page, runner: Runner) -> None:
    page.goto(url_of(page, "workflows/articles/start"))
    page.get_by_role("button", name="Start run").click()
    page.locator("[aria-invalid=true]").wait_for()
    page.get_by_label("topic").fill("ships")
    page.get_by_label("Labels").fill("env=test")
    page.get_by_role("button", name="Start run").click()
    page.wait_for_url(re.compile("/runs/[0-9a-f-]{36}"))
    page.get_by_role("status").get_by_text("The run is started.").wait_for()
    page.console_errors.clear()  # type: ignore[attr-defined]  # the form was refused once
    page.goto(url_of(page, "runs?label=env=test"))
    page.locator("[data-run]").wait_for()


def test_names_in_lists_have_room(page: Page, runner: Runner) -> None:
    runner.submit("orders")
    page.locator("[data-run] [data-state=completed]").wait_for()
    page.goto(url_of(page, "schedules/new"))
    page.get_by_label("Cron expression").fill("0 2 * * *")
    page.get_by_label("Workflow").fill("orders")
    page.get_by_role("button", name="Add schedule").click()
    page.get_by_role("status").get_by_text("orders is scheduled.").wait_for()
    for path, columns in {
        "runs": ("Workflow", "Detail"), "workflows": ("Workflow", "Description"),
        "schedules": ("Schedule", "Workflow", "When"), "ops": ("Runner", "Workflows"),
    }.items():  # fmt: skip
        page.goto(url_of(page, path))
        for width in (1200, 1280, 1440):
            page.set_viewport_size({"width": width, "height": 800})
            for column in columns:
                box = page.get_by_role("columnheader", name=column, exact=True).bounding_box()
                assert box is not None
                assert box["width"] >= 96, (path, column, width)


def test_themes_and_times_are_kept(page: Page) -> None:
    page.get_by_label("Display").click()
    page.get_by_label("Dark").check()
    page.get_by_label("UTC").check()
    page.reload()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    assert page.locator("html").get_attribute("data-times") == "utc"


def test_a_lost_server_is_told(page: Page, processes: Processes) -> None:
    ui = next(one for one in processes._started if "ui" in one.args)  # type: ignore[operator]
    ui.send_signal(signal.SIGKILL)
    page.locator("[data-live-light]", has_text="reconnecting").wait_for()
    page.console_errors.clear()  # type: ignore[attr-defined]


def test_without_scripts(processes: Processes, runner: Runner, open_page: OpenPage) -> None:
    run_id = runner.submit("orders", {"fails": True})
    page = open_page(processes.ui()[1], java_script_enabled=False)
    page.get_by_label("Workflow: a name").fill("ord*")
    page.get_by_role("button", name="Filter").click()
    page.wait_for_url(re.compile("workflow=ord"))
    row = page.locator(f"[data-run='{run_id}']")
    for _ in range(200):  # its end is seen by reloading: there are no live updates
        if row.locator("[data-state=failed]").count():
            break
        page.reload()
    row.get_by_role("checkbox").check()
    page.locator("[data-bulk-bar]").get_by_role("button", name="Retry").click()
    dialog = page.get_by_role("dialog", name="Retry runs")
    dialog.get_by_role("button", name="Retry runs").click()
    page.get_by_text("1 run retried.").wait_for()
    page.locator("summary[aria-label=Display]").click()
    page.get_by_label("Dark").check()
    page.get_by_role("button", name="Keep").click()
    page.locator("html[data-theme=dark]").wait_for()


def test_an_empty_database_teaches(
    processes: Processes, runner: Runner, open_page: OpenPage, assert_accessible: Callable[[Page], None]
) -> None:
    page = open_page(processes.ui()[1], width=360)
    page.wait_for_url("**/runs")
    for path in LISTS:
        page.goto(url_of(page, path))
        assert_accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path
        commands = page.locator("main .command code").all_text_contents()
        assert all("--database" in command for command in commands if command != "holdwater demo"), commands
    page.goto(url_of(page, "runs"))
    page.get_by_role("heading", name="No runs yet").wait_for()


# contrast in both themes is also computed from the colours (tests/server/test_contrast.py)
@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=LONG)])
def test_everyone_can_use_every_list(
    processes: Processes, runner: Runner, open_page: OpenPage, assert_accessible: Callable[[Page], None], scheme: str
) -> None:
    runner.submit("orders", {"fails": True})
    runner.submit("articles", {"topic": "x" * 300})
    link = processes.ui()[1]
    page = open_page(link, color_scheme=scheme)
    page.wait_for_url("**/runs")
    page.goto(url_of(page, "schedules/new?expression=0 2 * * *&timezone=Europe/Berlin"))
    page.get_by_label("Workflow").fill("orders")
    page.get_by_role("button", name="Add schedule").click()
    schedule = page.url.partition("/ui/public/")[2]
    paths = (*LISTS, schedule, f"{schedule}/edit", "schedules/new", "workflows/orders", "workflows/articles/start")
    for width in (1440, 1000, 360):
        page.set_viewport_size({"width": width, "height": 800})
        for path in (*paths, "runs?workflow=nothing"):
            page.goto(url_of(page, path))
            assert_accessible(page)
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, (path, width)


COLUMN_WIDTHS = """[...document.querySelectorAll('table.list')].map(table => [
  table.offsetWidth - table.parentElement.clientWidth,
  ...[...table.tHead.rows[0].cells].filter(cell => cell.innerText.trim()).map(cell => cell.offsetWidth).filter(Boolean),
])"""


def test_no_column_is_squeezed(processes: Processes, runner: Runner, open_page: OpenPage) -> None:
    run_id = runner.submit("orders", {"fails": True})
    page = open_page(processes.ui()[1])
    page.locator(f"[data-run='{run_id}'] [data-state=failed]").wait_for()
    page.goto(url_of(page, "schedules/new?expression=0 2 * * *&timezone=Europe/Berlin"))
    page.get_by_label("Workflow").fill("orders")
    page.get_by_role("button", name="Add schedule").click()
    page.wait_for_url(re.compile("/schedules/(?!new)"))
    for width in (1440, 1280, 1200, 1000, 360):
        page.set_viewport_size({"width": width, "height": 800})
        for path in ("runs", "workflows", "schedules", "ops"):
            page.goto(url_of(page, path))
            for overflow, *columns in page.evaluate(COLUMN_WIDTHS):
                assert overflow <= 0, (path, width)
                assert min(columns) >= 80, (path, width, columns)
