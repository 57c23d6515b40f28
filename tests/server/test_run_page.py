"""The page of a run, and acts on it, over HTTP, without a script."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from holdwater import DefaultRunner, DefaultRunnerConfig
from holdwater.graphs import Graph, interrupt, node
from holdwater.server.pages.run.act_responses import DIALOG_HEADER
from holdwater.server.run_paths import encode_run_id
from tests.server.live import Live
from tests.server.pages.run.conftest import fails_first
from tests.suite.released_workflows import NEW, add_release
from tests.suite.runners import Define, Gate
from tests.suite.waiting import poll_pause, wait_until

TABS = ("graph", "timeline", "tasks", "events", "context", "doctor")
HOSTILE = ("<script>alert(1)</script>", "🚀 שלום \u202e", "a/b?c=d&e#f", "quote\"'&amp;", "x" * 200)


@pytest.fixture
def browser(live: Live) -> Iterator[httpx.Client]:
    with live.browser() as client:
        yield client


def url_of(run_id: str, path: str = "") -> str:
    return f"/ui/public/runs/{encode_run_id(run_id)}{path}"


def page_of(browser: httpx.Client, run_id: str, path: str = "", **query: str) -> str:
    response = browser.get(url_of(run_id, path), params=query)
    assert response.status_code == 200, response.text
    return response.text


def post(browser: httpx.Client, run_id: str, path: str, status: int = 200, /, **fields: str) -> str:
    """Post a form of a run as a browser without a script does; returns the page it leads to."""
    form = page_of(browser, run_id, path)
    (token,) = set(re.findall('name="csrf_token" value="([^"]+)"', form))
    response = browser.post(url_of(run_id, path), data={"csrf_token": token, **fields})
    assert response.status_code == status, response.text
    return html.unescape(response.text)


def names_in(page: str) -> list[str]:
    return [html.unescape(name) for name in re.findall('data-node="([^"]*)"', page)]


def wait_for(runner: DefaultRunner, run_id: str, status: str) -> None:
    """Wait until a run that the server steers has this status: the runner hears of it by itself."""
    while runner.get_run(run_id).status != status:
        poll_pause()


def noop(context: Any) -> None:
    context["n"] = 1


def test_every_tab_of_hostile_names(browser: httpx.Client, runner: DefaultRunner, define: Define) -> None:
    def body(context: Any) -> None:
        for name in HOSTILE:
            context[name] = "<img src=x onerror=alert(1)> \x1b[31mred"
        raise ValueError("<script>alert('error')</script>\n\x00")

    define("evil <b>🚀</b>", *[(name, body, {"retry_attempts": 1}) for name in HOSTILE])
    run_id = runner.execute("evil <b>🚀</b>", {"<i>": "<i>"}).run_id
    for tab in TABS:
        for fragment in ({}, {"fragment": "run"}):
            page = page_of(browser, run_id, tab=tab, node=HOSTILE[0], **fragment)
            assert "<script>alert" not in page
            assert "<img" not in page
            assert "<b>🚀" not in page
            assert "\x1b" not in page
    for name in HOSTILE:
        page = page_of(browser, run_id, node=name)
        assert html.escape(f'data-panel="{name}"', quote=False) in html.unescape(page).replace("<", "&lt;").replace(
            ">", "&gt;"
        ) or f"Task {name}" in html.unescape(page)


def test_the_url_says_what_is_shown(browser: httpx.Client, runner: DefaultRunner, define: Define) -> None:
    define("w", ("a", fails_first(1), {"retry_attempts": 1}), ("b", noop, {}))
    run_id = runner.execute("w").run_id
    assert names_in(page_of(browser, run_id, tab="tasks", state="failed")) == ["a"]
    assert names_in(page_of(browser, run_id, tab="timeline", q="B")) == ["b"]
    assert "No task matches" in page_of(browser, run_id, tab="tasks", q="nothing")
    assert "ValueError: 0 more" in html.unescape(page_of(browser, run_id, node="a"))
    assert "has no task" in html.unescape(page_of(browser, run_id, node="c"))
    for tab in ("nonsense", "", "graph"):
        assert browser.get(url_of(run_id), params={"tab": tab}).status_code == 200
    for junk in ("-1", "x", "9" * 30, "1e5"):
        options = {"page": junk, "from": junk, "to": junk, "after": junk, "before": junk, "sort": junk, "at": junk}
        for tab in TABS:
            assert browser.get(url_of(run_id), params={"tab": tab, **options}).status_code == 200


def test_a_part_of_an_id_leads_to_the_run(browser: httpx.Client, runner: DefaultRunner, define: Define) -> None:
    define("w", ("a", noop, {}))
    run_id = runner.execute("w").run_id
    response = browser.get(url_of(run_id[-12:]), params={"tab": "tasks", "node": "a"})
    assert str(response.url).endswith(f"{run_id}?tab=tasks&node=a")
    assert browser.get(url_of("no-such-run")).status_code == 404


def test_events_as_json(browser: httpx.Client, runner: DefaultRunner, define: Define) -> None:
    define("w", ("a", noop, {}))
    run_id = runner.execute("w").run_id
    response = browser.get(url_of(run_id, "/events.json"), params={"task": "a"})
    assert response.headers["content-disposition"].startswith("attachment")
    assert [event["type"] for event in json.loads(response.text)] == [
        "task_marked_ready", "task_started", "task_completed",
    ]  # fmt: skip


def test_values(browser: httpx.Client, runner: DefaultRunner, define: Define) -> None:
    def body(context: Any) -> None:
        context["large"] = ["x" * 100] * 1000
        context["small"] = {"deep": [1, (2, 3)]}

    define("w", ("a", body, {}))
    run_id = runner.execute("w", {"given": 1}).run_id
    data = page_of(browser, run_id, tab="context")
    assert "list of 1,000" in data
    assert "tuple · 2" in data
    shown = page_of(browser, run_id, "/value", of="now", name="large")
    assert shown.count("x" * 100) > 100
    file = browser.get(url_of(run_id, "/value"), params={"of": "output", "node": "a", "name": "large", "download": "1"})
    assert len(json.loads(file.text)) == 1000
    assert file.headers["content-disposition"].startswith("attachment")
    assert "added" in page_of(browser, run_id, tab="context", at="changes")
    assert "given" in page_of(browser, run_id, tab="context", at="start")
    assert browser.get(url_of(run_id, "/value"), params={"of": "now", "name": "none"}).status_code == 404


def test_pause_resume_and_cancel(browser: httpx.Client, runner: DefaultRunner, define: Define, gate: Gate) -> None:
    define("w", ("a", lambda context: gate(), {}), ("b", noop, {"dependencies": ["a"]}))
    handle = runner.submit("w")
    gate.wait_started()
    assert "a will end as usual" in page_of(browser, handle.run_id, "/pause")
    page = post(browser, handle.run_id, "/pause", reason="lunch <b>")
    assert "is paused" in page
    assert "lunch <b>" in page
    refused = post(browser, handle.run_id, "/pause", 409, reason="again")
    assert 'value="again"' in refused
    assert "cannot pause run" in refused
    assert "goes on" in post(browser, handle.run_id, "/resume")
    said = post(browser, handle.run_id, "/cancel", reason="enough")
    assert "being cancelled" in said
    gate.open.set()
    wait_for(runner, handle.run_id, "Cancelled")
    events = json.loads(browser.get(url_of(handle.run_id, "/events.json"), params={"group": "control"}).text)
    assert {event.get("by") for event in events} == {"ui"}


def test_retry(browser: httpx.Client, runner: DefaultRunner, define: Define) -> None:
    define("w", ("a", noop, {}), ("b", fails_first(1), {"dependencies": ["a"], "retry_attempts": 1}),
           ("c", noop, {"dependencies": ["b"]}))  # fmt: skip
    handle = runner.submit("w")
    handle.result(20)
    form = page_of(browser, handle.run_id, "/retry")
    assert "b will run again" in form
    assert "The 1 result it has will be kept" in form
    assert f"holdwater runs retry {handle.run_id}" in form
    assert "is tried again" in post(browser, handle.run_id, "/retry")
    wait_for(runner, handle.run_id, "Completed")
    refused = post(browser, handle.run_id, "/retry", 409, reason="fixed it")
    assert "there is nothing to retry" in refused
    assert f"holdwater runs retry {handle.run_id} --reason 'fixed it'" in refused


def test_a_retry_on_the_active_release(browser: httpx.Client, runner: DefaultRunner, define: Define) -> None:
    define("w", ("a", fails_first(1), {"retry_attempts": 1}))
    run_id = runner.execute("w").run_id
    assert 'name="release"' not in page_of(browser, run_id, "/retry"), "there is no other release"
    runner.announce()
    store = runner._engine.store
    row = store.get_workflow("w")
    assert row is not None
    store.announce_workflows([replace(row, release=NEW)], [])
    form = page_of(browser, run_id, "/retry")
    assert f"the active release <code>{NEW}</code>" in form
    registry = runner._engine.registry
    add_release(registry, NEW, registry.get("w"))
    registry.unregister("w")
    try:
        assert "is tried again" in post(browser, run_id, "/retry", release="active")
        wait_for(runner, run_id, "Completed")
        assert runner.get_run(run_id).release == NEW
        assert f'Release <a class="mono" href="/ui/public/packages/{NEW}">{NEW}</a>' in page_of(browser, run_id)
    finally:
        registry.remove_release(NEW)
    refused = post(browser, run_id, "/retry", 409, release="active")
    assert f"holdwater runs retry {run_id} --release active" in refused


def test_a_fork_with_edited_values(browser: httpx.Client, runner: DefaultRunner, define: Define) -> None:
    def load(context: Any) -> None:
        context["amount"] = 950
        context["pair"] = (1, 2)

    def charge(context: Any) -> None:
        context["charged"] = [context["amount"], context.get("pair"), context.get("who"), context.get("new")]

    define("w", ("load", load, {}), ("charge", charge, {"dependencies": ["load"]}))
    run_id = runner.execute("w", {"who": "Ada"}).run_id
    form = html.unescape(page_of(browser, run_id, "/fork", **{"from": "charge"}))
    assert "keeps 1 recorded result and runs charge" in form
    values = re.search(r'<textarea[^>]*name="values"[^>]*>\n(.*?)</textarea>', form, re.DOTALL)
    assert values is not None
    trees = json.loads(values[1])
    assert trees["pair"] == {"$t": "tuple", "v": [1, 2]}
    del trees["who"]
    trees |= {"amount": 9, "new": [True]}
    fields = {"from": "charge", "values": json.dumps(trees), "shown": json.dumps(["who", "amount", "pair"])}
    assert f"holdwater runs fork {run_id} --from charge" in form
    page = post(browser, run_id, "/fork", **fields)
    assert "begins at charge" in page
    (fork,) = [run for run in runner.list_runs(workflow_name="w") if run.forked_from == run_id]
    wait_for(runner, fork.run_id, "Completed")
    assert runner.get_run(fork.run_id).final_context["charged"] == [9, (1, 2), None, [True]]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("{", "This is no JSON"),
        ('{"a": NaN}', "NaN"),
        ('{"a": 1, "a": 2}', "there twice"),
        ("[1]", "one JSON object"),
        ('{"a": {"$t": "dataclass", "c": "os:system", "v": {}}}', "os:system"),
        ('{"a": {"$t": "nonsense"}}', "nonsense"),
    ],
)
def test_values_that_are_refused(
    browser: httpx.Client, runner: DefaultRunner, define: Define, values: str, said: str
) -> None:
    define("w", ("a", noop, {}))
    run_id = runner.execute("w").run_id
    page = post(browser, run_id, "/fork", 400, **{"from": "a", "values": values, "shown": "[]"})
    assert said in page
    assert values in page
    assert "holdwater runs fork" not in page  # it would fork with the values as they were
    assert [run.forked_from for run in runner.list_runs(workflow_name="w") if run.forked_from == run_id] == []


def test_a_fork_from_an_unknown_task(browser: httpx.Client, runner: DefaultRunner, define: Define) -> None:
    define("w", ("charge", noop, {}))
    run_id = runner.execute("w").run_id
    page = post(browser, run_id, "/fork", 404, **{"from": "charg", "values": "{}", "shown": "[]"})
    assert "did you mean" in page


@node(output_name="draft")
def write(topic: str) -> str:
    return topic


@interrupt(answer_name="verdict", response_type=bool)
def ask(draft: str) -> dict[str, str] | None:
    return {"draft": f"<b>{draft}</b>"}


def test_an_answer(browser: httpx.Client, runner: DefaultRunner) -> None:
    run_id = runner.execute(Graph([write, ask], name="press"), {"topic": "rain"}).run_id
    panel = html.unescape(page_of(browser, run_id, node="ask"))
    assert "Waits for verdict" in panel
    assert f'action="/ui/public/runs/{run_id}/answer"' in panel, "the form is beside the question"
    again = post(browser, run_id, "/answer", 400, pause="ask", value="maybe", inline="1")
    assert "<h1" in again, "a page of its own without a script"
    assert "<b>rain" in again
    assert "&lt;b&gt;rain" in page_of(browser, run_id, "/answer")
    refused = post(browser, run_id, "/answer", 400, pause="ask", value="maybe")
    assert 'class="error"' in refused
    assert "ask has its answer" in post(browser, run_id, "/answer", pause="ask", value="true")
    wait_for(runner, run_id, "Completed")
    assert runner.get_run(run_id).final_context["verdict"] is True
    assert browser.get(url_of(run_id, "/answer")).status_code == 409


def test_dialogs(browser: httpx.Client, runner: DefaultRunner, define: Define) -> None:
    """The module of the page fetches forms as dialogs, posts them, and goes where the answer says."""
    define("w", ("a", fails_first(1), {"retry_attempts": 1}))
    run_id = runner.execute("w").run_id
    dialog = page_of(browser, run_id, "/retry", fragment="dialog")
    assert dialog.lstrip().startswith("<dialog")
    (token,) = re.findall('name="csrf_token" value="([^"]+)"', dialog)
    headers = {DIALOG_HEADER: "1"}
    data = {"csrf_token": token, "from": "a", "values": "{", "shown": "[]"}
    refused = browser.post(url_of(run_id, "/fork"), data=data, headers=headers)
    assert (refused.status_code, refused.text.lstrip()[:7]) == (200, "<dialog")
    done = browser.post(url_of(run_id, "/retry"), data={"csrf_token": token}, headers=headers)
    assert (done.status_code, done.text, done.headers["location"]) == (204, "", url_of(run_id))
    wait_for(runner, run_id, "Completed")


def test_child_runs(browser: httpx.Client, runner: DefaultRunner) -> None:
    @node(output_name="share")
    def share(number: int) -> int:
        return 6 // number

    inner = Graph([share], name="shares")
    graph = Graph([inner.as_node().map_over("number", error_handling="continue")], name="outer")
    run_id = runner.execute(graph, {"number": [2, 0, 3]}).run_id
    page = page_of(browser, run_id, node="shares")
    assert "3 child runs" in page
    assert "ZeroDivisionError" in page
    table = page_of(browser, run_id, tab="tasks", show="children", of="shares")
    (child, *_) = re.findall('data-child="([^"]+)"', table)
    assert len(re.findall("data-child=", table)) == 3
    assert len(re.findall("data-child=", page_of(browser, run_id, tab="tasks", show="children", state="failed"))) == 1
    assert "Child of" in page_of(browser, html.unescape(child))


def test_a_server_that_only_reads(serve: Callable[..., Live], runner: DefaultRunner, define: Define) -> None:
    define("w", ("a", fails_first(1), {"retry_attempts": 1}))
    run_id = runner.execute("w").run_id
    with serve(read_only=True).browser() as browser:
        page = page_of(browser, run_id, node="a")
        assert "data-act" not in page
        assert '<form method="post" action="' + url_of(run_id) not in page
        assert "csrf_token" not in page_of(browser, run_id, "/retry").partition("<main")[2]
        assert browser.post(url_of(run_id, "/retry"), data={}).status_code == 403


def test_the_log_of_a_task(browser: httpx.Client, database_url: str, runner: DefaultRunner, define: Define) -> None:
    def body(context: Any) -> None:
        for k in range(250):
            print(f"line {k} <b>")
        raise ValueError("no")

    define("talks", ("a", body, {"retry_attempts": 2, "retry_delay_ms": 0}))
    with DefaultRunner.with_config(
        database_url, DefaultRunnerConfig(capture_output=True, own_runs_only=True)
    ) as talker:
        run_id = talker.execute("talks").run_id
    panel = page_of(browser, run_id, node="a")
    assert panel.count('class="log-line') == 200
    assert "line 249 &lt;b&gt;" in panel
    assert "300 earlier lines" in panel
    page = page_of(browser, run_id, "/log", node="a", attempt="1")
    assert page.count("&lt;b&gt;") == 250
    assert "ValueError: no" in page
    text = browser.get(url_of(run_id, "/log"), params={"node": "a", "download": "true"}).text
    assert text.count("<b>\n") == 500
    assert "Nothing was printed" in page_of(
        browser, runner.execute(define("w", ("a", noop, {}))).run_id, "/log", node="a"
    )


def test_the_doctor(browser: httpx.Client, runner: DefaultRunner, define: Define) -> None:
    run_id = runner.execute(Graph([write, ask], name="press"), {"topic": "rain"}).run_id
    # a moment after its start the runner has not said yet that it has the graph
    wait_until(lambda: "no_runner" not in page_of(browser, run_id, tab="doctor"))
    page = html.unescape(page_of(browser, run_id, tab="doctor"))
    assert re.findall('data-finding="([^"]+)"', page) == ["waits_for_answer"]
    assert f"holdwater runs answer {run_id}" in page
    define("w", ("a", fails_first(1), {"retry_attempts": 1}))
    failed = runner.execute("w").run_id
    assert f"holdwater runs retry {failed}" in html.unescape(page_of(browser, failed, tab="doctor"))
