"""The list of runs, as a browser without scripts uses it."""

from __future__ import annotations

import html
import json
import re
import shlex
from collections.abc import Iterator

import httpx
import pytest
from starlette.datastructures import QueryParams

from holdwater import Context, DefaultRunner, WorkflowBuilder, task
from holdwater.cli.main import main
from holdwater.graphs import Graph, interrupt
from holdwater.model.time import add_seconds
from holdwater.operations.bulk_jobs import SelectedRuns, create_bulk_job, stop_bulk_job
from holdwater.operations.databases import Database
from holdwater.server.pages.runs.query import RunsQuery
from tests.server.live import Live
from tests.server.pages_client import post_form

ROW = re.compile('data-run="([^"]+)"')


@pytest.fixture
def browser(live: Live) -> Iterator[httpx.Client]:
    with live.browser() as client:
        yield client


@pytest.fixture(scope="module")
def runs(runner: DefaultRunner) -> dict[str, str]:
    """Ids of a run that completed and one that failed."""
    with WorkflowBuilder("pages-orders"):

        @task()
        def charge(context: Context) -> None:
            if context.get("fails"):
                raise OSError("502 <b>Bad</b> Gateway\nsecond line")

    done = runner.execute("pages-orders", {})
    failed = runner.execute("pages-orders", {"fails": True})
    return {"completed": done.run_id, "failed": failed.run_id}


def rows_of(browser: httpx.Client, **params: str) -> set[str]:
    answer = browser.get("/ui/public/runs", params={"fragment": "rows", **params})
    assert answer.status_code == 200
    assert answer.text.lstrip().startswith("<div")
    return set(ROW.findall(answer.text))


@interrupt(answer_name="verdict", response_type=str)
def ask(draft: str) -> str | None:
    return draft


def row_of(page: str, run_id: str) -> str:
    return page.partition(f'data-run="{run_id}"')[2].partition("</tr>")[0]


def test_a_run_that_waits_for_an_answer_says_so_unless_it_was_paused(
    browser: httpx.Client, runner: DefaultRunner
) -> None:
    run_id = runner.execute(Graph([ask], name="pages-press"), {"draft": "rain"}).run_id
    for path in ("/runs?workflow=pages-press", "/workflows/pages-press"):
        row = row_of(browser.get(f"/ui/public{path}").text, run_id)
        assert 'data-state="awaiting_input"' in row
        assert "Waits for an answer" in row
        assert "waits for verdict" in row
    assert 'aria-label="Waiting for a person"' in browser.get("/ui/public/workflows").text
    runner.pause(run_id)
    row = row_of(browser.get("/ui/public/runs?workflow=pages-press").text, run_id)
    assert 'data-state="paused"' in row
    assert "waits for" not in row


def test_filters_are_in_the_url(browser: httpx.Client, runs: dict[str, str]) -> None:
    assert rows_of(browser, workflow="pages-orders") == set(runs.values())
    assert rows_of(browser, workflow="pages-orders", status="failed") == {runs["failed"]}
    assert rows_of(browser, workflow="nothing-of-this-name") == set()


def test_the_first_line_of_an_error_is_shown_as_text(browser: httpx.Client, runs: dict[str, str]) -> None:
    page = browser.get("/ui/public/runs", params={"workflow": "pages-orders"}).text
    assert "502 &lt;b&gt;Bad&lt;/b&gt; Gateway …" in page
    assert "<b>Bad" not in page


def test_a_list_without_a_match_says_which_filters_to_drop(browser: httpx.Client) -> None:
    page = browser.get("/ui/public/runs", params={"workflow": "nope", "status": "failed"}).text
    assert 'data-empty="filter"' in page
    assert 'href="?workflow=nope" data-drop="status"' in page
    assert 'href="?status=failed" data-drop="workflow"' in page


def test_an_instant_that_is_none_is_told(browser: httpx.Client) -> None:
    page = browser.get("/ui/public/runs", params={"since": "yesterday"})
    assert page.status_code == 200
    assert "is no instant" in page.text


@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
@pytest.mark.parametrize("edge", ["since", "until"])
def test_an_instant_at_the_end_of_the_calendar(browser: httpx.Client, edge: str, instant: str) -> None:
    page = browser.get("/ui/public/runs", params={edge: instant})
    assert page.status_code == 200
    assert 'class="histogram"' in page.text


@pytest.mark.parametrize(
    "params",
    [
        {"text": "502 "},
        {"status": "failed", "time": "ended", "since": "1h"},
        {"status": "!completed", "since": "1h", "until": "2099-01-01T00:00:00Z", "children": "1"},
    ],
)
def test_the_command_lists_the_same_runs(
    browser: httpx.Client, runs: dict[str, str], params: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    query = {"workflow": "pages-orders", **params}
    shown = re.search(r"<code[^>]*>(holdwater runs list .*?)</code>", browser.get("/ui/public/runs", params=query).text)
    assert shown is not None
    _, *arguments = shlex.split(html.unescape(shown[1]))
    assert main([*arguments, "--json"]) == 0
    assert (
        {run["run_id"] for run in json.loads(capsys.readouterr().out)} == rows_of(browser, **query) == {runs["failed"]}
    )


def test_selected_runs_are_retried_and_what_it_does_not_fit_is_left(
    browser: httpx.Client, runs: dict[str, str]
) -> None:
    fields: dict[str, str | list[str]] = {"run": list(runs.values()), "verb": "retry"}
    page = post_form(browser, "/runs/bulk", **fields)
    assert "1 run retried." in page.text
    assert "1 run left as they were" in page.text


def test_all_that_match_are_acted_on(browser: httpx.Client, runner: DefaultRunner) -> None:
    with WorkflowBuilder("pages-failing"):

        @task()
        def fail(context: Context) -> None:
            raise ValueError("no")

    for _ in range(3):
        runner.execute("pages-failing", {})
    query = "workflow=pages-failing&status=failed"
    page = post_form(browser, "/runs/bulk", verb="retry", scope="matching", query=query)
    assert "3 runs retried." in page.text
    assert page.url.query == b"status=failed&workflow=pages-failing"


def test_runs_are_deleted_while_a_job_of_another_process_goes_on(
    browser: httpx.Client, runner: DefaultRunner, runs: dict[str, str]
) -> None:
    database = Database.of(runner._engine)
    other = create_bulk_job(database, "cancel", SelectedRuns(("x",)))
    now = database.clock.now()
    database.store.claim_bulk_job(other.id, "another process", now, add_seconds(now, 3600))
    with WorkflowBuilder("pages-deleted"):

        @task()
        def work(context: Context) -> None:
            pass

    gone = runner.execute("pages-deleted", {}).run_id
    page = post_form(browser, "/runs/bulk", run=[gone], verb="forget")
    assert "1 run deleted." in page.text
    assert gone not in rows_of(browser)
    stop_bulk_job(database, other.id)


@pytest.mark.parametrize("fields", [{"verb": "delete"}, {"verb": "retry"}, {}])
def test_a_request_that_means_nothing_changes_nothing(browser: httpx.Client, fields: dict[str, str]) -> None:
    page = post_form(browser, "/runs/bulk", **fields)
    assert "nothing was changed" in page.text or "cannot be done to runs" in page.text


def test_views_are_kept_in_the_browser(browser: httpx.Client) -> None:
    page = post_form(browser, "/views", name="Mine <b>", query="status=failed&status=paused&nonsense=1")
    assert "is kept in this browser" in page.text
    assert "Mine &lt;b&gt;" in page.text
    assert page.url.query == b"status=failed&status=paused"
    removed = post_form(browser, "/views", name="Mine <b>", remove="1")
    assert "is removed" in removed.text
    assert "Mine &lt;b&gt;</a>" not in removed.text


def test_the_list_begins_with_the_default_view(browser: httpx.Client) -> None:
    post_form(browser, "/views", name="First", query="status=failed", default="1")
    assert browser.get("/ui/public/runs").url.query == b"status=failed"
    assert browser.get("/ui/public/runs?all=1").url.query == b"all=1"


def test_a_cookie_of_views_from_elsewhere_is_harmless(browser: httpx.Client) -> None:
    for kept in ("%5B%5B1%2C2%2C3%5D%5D", "nonsense", "%7B%7D", "%5B%5B%22a%22%2C%22javascript%3Ax%22%2Ctrue%5D%5D"):
        page = browser.get("/ui/public/runs", headers={"cookie": f"holdwater_views={kept}"} | _session(browser, kept))
        assert page.status_code == 200
        assert "javascript:" not in page.text


def _session(browser: httpx.Client, kept: str) -> dict[str, str]:
    cookies = [f"{cookie.name}={cookie.value}" for cookie in browser.cookies.jar if cookie.name != "holdwater_views"]
    return {"cookie": "; ".join([f"holdwater_views={kept}", *cookies])}


def test_a_url_reads_back_as_it_was_written() -> None:
    query = RunsQuery(
        ("!failed", "!paused"), "ord*", ("env=prod", "team"), "cli", "ended", "24h", "", "502", True, "f" * 16
    )
    assert RunsQuery.of(QueryParams(query.url()[1:])) == query
    assert RunsQuery.of(QueryParams("status=x&origin=y&time=z&label=")) == RunsQuery()
    assert RunsQuery().is_empty
    assert RunsQuery(status=("failed",)).with_status("failed") == "?all=1"
    assert RunsQuery().without_status("completed") == "?status=%21completed"


def test_counts_and_bars_are_of_the_same_filter(browser: httpx.Client, runs: dict[str, str]) -> None:
    summary = browser.get("/ui/public/runs", params={"fragment": "summary", "workflow": "pages-orders"}).text
    assert summary.lstrip().startswith("<div")
    assert re.search('data-count="completed"[^>]*>.*?<b class="num">1</b>', summary, re.DOTALL)
    bars = re.findall(r"<title>[^<]*: (\d+) runs?, (\d+) failed</title>", summary)
    assert sum(int(total) for total, _ in bars) == 2


def test_a_bar_leads_to_its_window(browser: httpx.Client, runs: dict[str, str]) -> None:
    summary = browser.get("/ui/public/runs", params={"fragment": "summary", "workflow": "pages-orders"}).text
    window = re.findall(r'<a href="\?([^"]*since=[^"]*)" tabindex', summary)[-1].replace("&amp;", "&")
    found = browser.get(f"/ui/public/runs?fragment=rows&{window}").text
    assert set(ROW.findall(found)) & set(runs.values())


@pytest.mark.parametrize(
    ("params", "kinds"),
    [
        ({"status": "!failed"}, {"completed"}),
        ({"text": "502 "}, {"failed"}),
        ({"time": "ended", "since": "1h"}, {"completed", "failed"}),
        ({"since": "2020-01-01T00:00:00Z", "until": "2020-01-02T00:00:00Z"}, set()),
        ({"origin": "cron"}, set()),
        ({"release": "f" * 16}, set()),
        ({"label": "env=prod"}, set()),
    ],
)
def test_every_filter(browser: httpx.Client, runs: dict[str, str], params: dict[str, str], kinds: set[str]) -> None:
    assert rows_of(browser, workflow="pages-ord*", **params) == {runs[kind] for kind in kinds}


def test_pages_go_both_ways(browser: httpx.Client, runner: DefaultRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdwater.server.pages.runs.page.PAGE_RUNS", 2)
    with WorkflowBuilder("pages-many"):

        @task()
        def nothing(context: Context) -> None:
            pass

    ids = [runner.execute("pages-many", {}).run_id for _ in range(5)][::-1]
    first = browser.get("/ui/public/runs?workflow=pages-many").text
    assert ROW.findall(first) == ids[:2]
    second = browser.get(f"/ui/public/runs{_link(first, 'next')}").text
    assert ROW.findall(second) == ids[2:4]
    assert ROW.findall(browser.get(f"/ui/public/runs{_link(second, 'prev')}").text) == ids[:2]


def _link(page: str, rel: str) -> str:
    found = re.search(f'href="([^"]+)" rel="{rel}"', page)
    assert found is not None
    return found[1].replace("&amp;", "&")


def test_columns_are_kept_in_the_browser(browser: httpx.Client, runs: dict[str, str]) -> None:
    def headings(page: str) -> list[str]:
        return re.findall("<th[^>]*>([A-Z][a-z ]*)</th>", page)

    usual = ["State", "Workflow", "Detail", "Origin", "Started", "Duration", "Run"]
    assert headings(browser.get("/ui/public/runs").text) == usual
    page = post_form(browser, "/columns", column=["key", "run", "nonsense"], query="workflow=pages-orders")
    assert headings(page.text) == ["State", "Workflow", "Key", "Run"]
    assert page.url.query == b"workflow=pages-orders"
    assert headings(post_form(browser, "/columns").text) == ["State", "Workflow"]
    assert headings(post_form(browser, "/columns", reset="1").text) == usual
