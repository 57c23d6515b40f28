"""The graph of a run in the browser: it follows the run, the pointer and the keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.server.browser.conftest import OpenPage, Processes

if TYPE_CHECKING:
    from playwright.sync_api import Page


def open_run(processes: Processes, open_page: OpenPage, run_id: str, **options: Any) -> Page:
    page = open_page(processes.ui()[1], **options)
    page.locator(f"[data-run='{run_id}']").wait_for()
    page.goto(f"{page.url.rpartition('/')[0]}/runs/{run_id}")
    return page


def test_a_graph_follows_its_run_in_place(
    processes: Processes, open_page: OpenPage, assert_accessible: Callable[[Page], None]
) -> None:
    run_id = processes.runner().submit("orders", {"waits": True})
    page = open_run(processes, open_page, run_id)
    page.locator(".hw-graph .state-completed[data-node=load]").wait_for()
    page.locator(".hw-graph .state-pending[data-node=notify]").wait_for()
    page.evaluate("document.querySelector('.hw-graph').dataset.kept = 'yes'")
    assert_accessible(page)
    processes.open_gate("price")
    page.locator(".hw-graph[data-kept] .state-completed[data-node=notify]").wait_for()
    assert page.locator(".hw-graph [data-node=notify] .mark").get_attribute("href") == "#mark-completed"


def test_a_box_is_selected_by_a_click_and_by_the_keyboard(processes: Processes, open_page: OpenPage) -> None:
    run_id = processes.runner().submit("orders", {"fails": True})
    page = open_run(processes, open_page, run_id)
    page.locator(".hw-graph .state-failed[data-node=charge]").wait_for()
    page.locator(".hw-graph [data-node=price]").click()
    page.locator("[data-panel=price]").wait_for()
    page.locator(".hw-graph.has-selection .selected[data-node=price]").wait_for()
    assert page.locator(".hw-graph .node.related").count() == 4  # not stock
    assert "node=price" in page.url
    page.locator(".hw-graph [data-node=price]").focus()
    page.keyboard.press("ArrowRight")
    page.locator(".hw-graph [data-node=charge]:focus").wait_for()
    page.keyboard.press("Enter")
    page.locator("[data-panel=charge]").wait_for()
    page.go_back()
    page.locator(".hw-graph .selected[data-node=price]").wait_for()


def test_a_large_graph_is_laid_out_after_the_page(processes: Processes, open_page: OpenPage) -> None:
    run_id = processes.runner().submit("large")
    page = open_run(processes, open_page, run_id)
    page.locator(".graph-view.pannable .state-completed[data-node='part 319']").wait_for(state="attached")
    assert page.locator(".hw-graph .node").count() == 320
    page.goto(f"{page.url}?node=part+20")
    page.locator(".hw-graph .selected[data-node='part 20']").wait_for()
    page.reload()
    page.locator(".hw-graph .selected[data-node='part 20']").wait_for()
    assert page.locator("[data-graph-wait]").count() == 0  # its layout is kept


def test_a_graph_is_moved_and_zoomed(processes: Processes, open_page: OpenPage) -> None:
    run_id = processes.runner().submit("orders")
    page = open_run(processes, open_page, run_id)
    view = page.locator(".graph-view.pannable")
    view.wait_for()

    def seen() -> list[float]:
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return [float(n) for n in (page.locator(".hw-graph").get_attribute("viewBox") or "").split()]

    whole = seen()
    page.keyboard.press("+")
    assert seen()[2] < whole[2]
    page.keyboard.press("0")
    assert seen() == whole
    view.hover(position={"x": 100, "y": 60})
    page.mouse.wheel(0, -400)
    closer = seen()
    assert closer[2] < whole[2]
    page.mouse.down()
    box = view.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 250, box["y"] + 120)
    page.mouse.up()
    assert seen()[:2] != closer[:2]
    page.locator("[data-zoom='0']").click()
    assert seen() == whole


def test_without_a_script_a_graph_is_links_and_a_table(processes: Processes, open_page: OpenPage) -> None:
    run_id = processes.runner().submit("orders")
    page = open_run(processes, open_page, run_id, java_script_enabled=False)
    page.locator(".hw-graph [data-node=price]").click()
    page.locator("[data-panel=price]").wait_for()
    assert re.search(r"[?&]node=price", page.url)
    assert page.locator(".hw-graph .selected").get_attribute("data-node") == "price"
    page.locator("summary", has_text="As a table").click()
    page.locator("tr[data-node], tr[data-key='graph-price']").first.wait_for()
