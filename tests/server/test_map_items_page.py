"""The page of a durable map: counts in the header, and failed items in a list."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import httpx
import pytest

from holdwater import Graph, SyncRunner, node
from holdwater.checkpointers import Checkpointer
from tests.server.live import Live


@pytest.fixture
def browser(live: Live) -> Iterator[httpx.Client]:
    with live.browser() as client:
        yield client


def check(x: int) -> int:
    if x % 2:
        raise ValueError(f"{x} is <b>bad</b>")
    return x


GRAPH = Graph([node(check, output_name="y")], name="checks")


@pytest.mark.parametrize(("count", "failed"), [(7, 3), (300, 150)])
def test_counts_and_failed_items(browser: httpx.Client, database_url: str, count: int, failed: int) -> None:
    with Checkpointer(database_url) as checkpointer:
        SyncRunner(checkpointer=checkpointer).map(
            GRAPH, {"x": iter(range(count))}, map_over="x", workflow_id=f"map-{count}", error_handling="continue"
        )
    page = browser.get(f"/ui/public/runs/map-{count}").text
    fact = re.search(r"<li><a [^>]*data-items>([^<]+)</a>, <a [^>]*>([^<]+)</a>", page)
    assert fact is not None
    assert fact.groups() == (f"{count - failed} items completed", f"{failed} failed")  # it never came to its end
    (link,) = set(re.findall(r'href="([^"]*show=items[^"]*)"', page))
    items = html.unescape(browser.get(html.unescape(link)).text)
    assert re.findall('data-item="([0-9]+)"', items) == [str(k) for k in range(1, count, 2)][:100]
    assert "<b>bad" not in browser.get(html.unescape(link)).text
    assert '{"x":1}' in items
    assert "Traceback" in items or "in check" in items
    if failed > 100:
        (following,) = re.findall(r'rel="next" href="([^"]+)"', items)
        rest = browser.get(following).text
        assert re.findall('data-item="([0-9]+)"', rest) == [str(k) for k in range(201, count, 2)]


def test_items_by_the_api(live: Live, database_url: str) -> None:
    with Checkpointer(database_url) as checkpointer:
        runner = SyncRunner(checkpointer=checkpointer)
        options = {"map_over": "x", "error_handling": "continue"}
        runner.map(GRAPH, {"x": list(range(7))}, workflow_id="by-api", **options)  # type: ignore[arg-type]
        runner.run(GRAPH, {"x": 2}, workflow_id="no-map")
    with live.client() as api:
        path = "/v1/tenants/public/executions/by-api/items"
        page = api.get(path, params={"limit": 2}).json()
        assert (page["item_count"], page["completed"], page["failed"], page["next_cursor"]) == (7, 4, 3, "5")
        assert [(one["index"], one["inputs"], one["error"]) for one in page["items"]] == [
            (1, {"x": 1}, "ValueError: 1 is <b>bad</b>"), (3, {"x": 3}, "ValueError: 3 is <b>bad</b>")
        ]  # fmt: skip
        rest = api.get(path, params={"limit": 2, "cursor": page["next_cursor"]}).json()
        assert ([one["index"] for one in rest["items"]], rest["next_cursor"]) == ([5], None)
        assert api.get("/v1/tenants/public/executions/no-map/items").status_code == 404
        assert api.get("/v1/tenants/public/executions/unknown/items").status_code == 404


def test_a_map_without_failures_and_a_run_that_is_no_map(browser: httpx.Client, database_url: str) -> None:
    with Checkpointer(database_url) as checkpointer:
        runner = SyncRunner(checkpointer=checkpointer)
        runner.map(GRAPH, {"x": [0, 2]}, map_over="x", workflow_id="fine")
        runner.run(GRAPH, {"x": 2}, workflow_id="single")
    page = browser.get("/ui/public/runs/fine").text
    assert re.findall("data-items>([^<]+)", page) == ["2 of 2 items completed"]
    assert "No item has failed" in browser.get("/ui/public/runs/fine?tab=tasks&show=items").text
    assert "data-items" not in browser.get("/ui/public/runs/single").text
