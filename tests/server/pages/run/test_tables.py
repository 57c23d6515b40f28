"""Tables of tasks and events, and the header, of runs that were really executed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from holdwater import DefaultRunner
from holdwater.graphs import Graph, interrupt, node
from holdwater.runs.nodes import NodeState, NodeView
from holdwater.server.pages.run.events import PAGE_EVENTS, EventFilter, events_as_json, matching_events, select_events
from holdwater.server.pages.run.header import build_header
from holdwater.server.pages.run.query import PageLinks
from holdwater.server.pages.run.selection import NodeFilter, select_nodes
from holdwater.server.pages.run.tasks import build_task_table
from tests.server.pages.run.conftest import Show, fails_first
from tests.suite.runners import Define, Gate


def define_failing(define: Define) -> str:
    return define(
        "w", ("a", fails_first(1), {"retry_attempts": 2, "retry_delay_ms": 0}),
        ("b", fails_first(9), {"dependencies": ["a"], "retry_attempts": 1}),
        ("c", fails_first(0), {"dependencies": ["b"]}), ("d", fails_first(9), {"retry_attempts": 1}),
    )  # fmt: skip


def test_the_header_of_a_failed_run(runner: DefaultRunner, define: Define, show: Show) -> None:
    run = show(runner.execute(define_failing(define)).run_id)
    header = build_header(run)
    assert (header.state, header.word, header.done, header.total, header.is_live) == ("failed", "Failed", 4, 4, False)
    assert header.why is not None
    assert (header.why.kind, header.why.text) == ("failed", "ValueError: 8 more")
    assert header.why.node in ("b", "d")
    assert (header.acts, header.question) == (("retry", "fork"), None)
    assert header.counts == {"failed": 2, "completed": 1, "skipped": 1}
    assert sum(part.width for part in header.progress_parts) == pytest.approx(100)
    assert [build_header(run, name).next_failed for name in (None, "a", "b", "c", "d", "unknown")] == [
        "b", "b", "d", "d", "b", "b",
    ]  # fmt: skip


@node(output_name="draft")
def write(topic: str) -> str:
    return topic


@interrupt(answer_name="verdict", response_type=str)
def ask(draft: str) -> str | None:
    return draft


def test_the_header_of_a_run_that_asks(runner: DefaultRunner, show: Show) -> None:
    header = build_header(show(runner.execute(Graph([write, ask], name="press"), {"topic": "rain"}).run_id))
    assert (header.state, header.word, header.is_live) == ("awaiting_input", "Waits for an answer", True)
    assert header.why is not None
    assert (header.why.text, header.why.node) == ("waits for verdict", "ask")
    assert (header.acts, header.question) == (("cancel", "fork"), "ask")


def test_the_header_of_a_run_that_is_paused(runner: DefaultRunner, define: Define, gate: Gate, show: Show) -> None:
    define("w", ("a", lambda context: gate(), {}))
    handle = runner.submit("w")
    gate.wait_started()
    assert build_header(show(handle.run_id)).acts == ("pause", "cancel", "fork")
    assert build_header(show(handle.run_id)).word.startswith("Running on ")
    handle.pause("lunch")
    header = build_header(show(handle.run_id))
    assert (header.state, header.acts) == ("paused", ("resume", "cancel", "fork"))
    assert header.why is not None
    assert header.why.text == "lunch"
    gate.open.set()
    handle.resume()
    handle.result(20)


def test_the_table_of_tasks(runner: DefaultRunner, define: Define, show: Show) -> None:
    table = build_task_table(show(runner.execute(define_failing(define)).run_id), NodeFilter())
    rows = {row.name: row for row in table.rows}
    assert [row.name for row in table.rows] == ["a", "b", "c", "d"]
    assert (rows["a"].state, rows["a"].attempts, rows["a"].said) == ("completed", 2, "")
    assert (rows["b"].state, rows["b"].said, rows["b"].is_error) == ("failed", "ValueError: 8 more", True)
    assert (rows["c"].state, rows["c"].said, rows["c"].is_error) == ("skipped", "upstream failed: b", False)
    assert rows["c"].duration_seconds is None


def test_a_running_task_in_the_table(runner: DefaultRunner, define: Define, gate: Gate, show: Show) -> None:
    define("w", ("a", lambda context: gate(), {}))
    handle = runner.submit("w")
    gate.wait_started()
    table = build_task_table(show(handle.run_id), NodeFilter())
    (row,) = table.rows
    assert (row.state, row.attempts, row.is_open) == ("running", 1, True)
    assert row.worker is not None
    assert table.has_workers
    gate.open.set()
    handle.result(20)


@node(output_name="share")
def share(number: int) -> int:
    return 6 // number


def test_items_of_a_map_in_the_table(runner: DefaultRunner, show: Show) -> None:
    graph = Graph([Graph([share], name="shares").as_node().map_over("number")], name="outer")
    (row,) = build_task_table(show(runner.execute(graph, {"number": [2, 0, 3]}).run_id), NodeFilter()).rows
    assert row.children is not None
    assert (row.children.total, row.children.failed) == (3, 1)


def nodes_named(*names: str) -> list[NodeView]:
    return [NodeView(name, "call", NodeState.PENDING) for name in names]


def test_pages_of_nodes() -> None:
    nodes = nodes_named(*[f"task-{k}" for k in range(10)], "Other")
    marks: dict[str, Any] = dict.fromkeys([one.name for one in nodes], "pending")
    marks["task-3"] = "failed"

    def names(which: NodeFilter) -> list[str]:
        return [one.name for one in select_nodes(nodes, marks, which, 4).nodes]

    assert names(NodeFilter()) == ["task-0", "task-1", "task-2", "task-3"]
    assert names(NodeFilter(page=3)) == names(NodeFilter(page=99)) == ["task-8", "task-9", "Other"]
    assert names(NodeFilter(state="failed")) == ["task-3"]
    assert names(NodeFilter(text="OTHER")) == ["Other"]
    assert names(NodeFilter(text="none")) == []
    assert names(NodeFilter(sort="name"))[0] == "Other"
    page = select_nodes(nodes, marks, NodeFilter(page=2), 4)
    assert (page.first, page.last, page.matching, page.total, page.has_next) == (5, 8, 11, 11, True)
    nothing = select_nodes([], {}, NodeFilter(page=2))
    assert (nothing.first, nothing.last, nothing.page, nothing.has_next) == (0, 0, 1, False)


def test_pages_of_events(runner: DefaultRunner, define: Define, show: Show) -> None:
    define("many", *[(f"t{k}", fails_first(0), {}) for k in range(150)])
    events = show(runner.execute("many").run_id).view.events
    last = select_events(events, EventFilter())
    assert (last.total, last.newer) == (len(events), None)
    assert last.rows[-1].type == "workflow_completed"
    seen = list(last.rows)
    page = last
    while page.older is not None:
        page = select_events(events, EventFilter(before=page.older))
        assert len(page.rows) >= PAGE_EVENTS or page.older is None
        seen = [*page.rows, *seen]
    assert [(row.seq, row.part) for row in seen] == [event.position for event in events]
    forward = select_events(events, EventFilter(after=0))
    assert (forward.older, forward.rows[0].seq) == (None, 1)
    assert forward.newer is not None
    assert select_events(events, EventFilter(after=forward.newer)).rows[0].seq == forward.newer + 1


def test_filters_of_events(runner: DefaultRunner, define: Define, show: Show) -> None:
    events = show(runner.execute(define_failing(define)).run_id).view.events
    assert {event.type for event in matching_events(events, EventFilter(group="failures"))} == {
        "task_failed", "task_retry_scheduled", "workflow_failed",
    }  # fmt: skip
    of_a = matching_events(events, EventFilter(task="a"))
    assert {getattr(event, "node", None) for event in of_a} == {"a"}
    assert [event.type for event in matching_events(events, EventFilter(text="8 MORE"))] != []
    assert matching_events(events, EventFilter(text="nowhere")) == []
    data = json.loads(events_as_json(of_a))
    assert [one["type"] for one in data] == [event.type for event in of_a]


def test_links_keep_what_is_on_the_screen() -> None:
    links = PageLinks("/ui/public/runs/r", "tasks", "a & b", {"state": "failed", "page": "2"})
    assert links.here == "/ui/public/runs/r?tab=tasks&node=a+%26+b&state=failed&page=2"
    assert links.to_tab("graph") == "/ui/public/runs/r?node=a+%26+b"
    assert links.to_node(None) == "/ui/public/runs/r?tab=tasks&state=failed&page=2"
    assert links.with_options(page=None, q="x") == "/ui/public/runs/r?tab=tasks&node=a+%26+b&state=failed&q=x"
    assert links.hidden_fields("state") == [("tab", "tasks"), ("node", "a & b"), ("page", "2")]
    assert links.at_tab("events", task="ä/1") == "/ui/public/runs/r?tab=events&node=a+%26+b&task=%C3%A4%2F1"
