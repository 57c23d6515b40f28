"""Timelines of runs that were really executed, and periods of made-up events."""

from __future__ import annotations

from typing import Any

from holdwater import DefaultRunner
from holdwater.events import run_events as ev
from holdwater.graphs import END, Graph, interrupt, node, route
from holdwater.model.time import Micros
from holdwater.server.pages.run.periods import Period, fold_periods
from holdwater.server.pages.run.selection import NodeFilter
from holdwater.server.pages.run.timeline import MAX_BARS, Timeline, build_timeline
from tests.server.pages.run.conftest import Show, fails_first
from tests.suite.runners import Define, Gate


def kinds(timeline: Timeline, name: str) -> list[str]:
    (row,) = [row for row in timeline.rows if row.name == name]
    return [bar.kind for bar in row.bars]


def assert_bars_fit(timeline: Timeline) -> None:
    for row in timeline.rows:
        edges = [edge for bar in row.bars for edge in (bar.left, bar.left + bar.width)]
        assert edges == sorted(edges)
        assert all(-1e-9 <= edge <= 100 + 1e-9 for edge in edges)


def test_attempts_and_delays(runner: DefaultRunner, define: Define, show: Show) -> None:
    retry = {"retry_attempts": 3, "retry_delay_ms": 1}
    define("w", ("a", fails_first(2), retry), ("b", fails_first(1), {"dependencies": ["a"], "retry_attempts": 1}),
           ("c", fails_first(0), {"dependencies": ["b"]}))  # fmt: skip
    timeline = build_timeline(show(runner.execute("w").run_id), NodeFilter())
    assert [row.name for row in timeline.rows] == ["a", "b", "c"]
    assert [kind for kind in kinds(timeline, "a") if kind != "queued"] == [
        "failed", "retry_delay", "failed", "retry_delay", "completed",
    ]  # fmt: skip
    assert kinds(timeline, "b")[-1] == "failed"
    assert kinds(timeline, "c") == []
    assert timeline.now is None
    assert_bars_fit(timeline)
    said = [bar.said for bar in timeline.rows[0].bars if bar.kind == "failed"]
    assert said[0].startswith("Attempt 1: failed after ")


def test_a_running_task_is_an_open_bar(runner: DefaultRunner, define: Define, gate: Gate, show: Show) -> None:
    define("w", ("a", lambda context: gate(), {}), ("b", fails_first(0), {"dependencies": ["a"]}))
    handle = runner.submit("w")
    gate.wait_started()
    timeline = build_timeline(show(handle.run_id), NodeFilter())
    (bar,) = timeline.rows[0].bars
    assert (bar.kind, bar.is_open, timeline.rows[0].is_open) == ("running", True, True)
    assert timeline.now is not None
    assert timeline.now < 100
    assert timeline.percent_per_second > 0
    gate.open.set()
    handle.result(20)


@node(output_name="draft")
def write(topic: str) -> str:
    return topic


@interrupt(answer_name="verdict", response_type=str)
def ask(draft: str) -> str | None:
    return draft


def test_a_question_is_open_until_it_is_answered(runner: DefaultRunner, show: Show) -> None:
    run_id = runner.execute(Graph([write, ask], name="press"), {"topic": "rain"}).run_id
    waiting = build_timeline(show(run_id), NodeFilter())
    assert kinds(waiting, "ask")[-1] == "question"
    assert waiting.rows[-1].is_open
    runner.answer(run_id, None, "yes")
    runner.handle(run_id).result(20)
    ended = build_timeline(show(run_id), NodeFilter())
    assert kinds(ended, "ask")[-1] == "question"
    assert not any(row.is_open for row in ended.rows)


@node(output_name="count")
def count(count: int) -> int:
    return count + 1


@route(targets=["count", END])
def again(count: int) -> str:
    return END if count >= 300 else "count"


def test_of_a_long_loop_the_latest_turns_are_drawn(runner: DefaultRunner, show: Show) -> None:
    run_id = runner.execute(Graph([count, again], name="counter", entrypoint="count"), {"count": 0}).run_id
    timeline = build_timeline(show(run_id), NodeFilter())
    assert [len(row.bars) for row in timeline.rows] == [MAX_BARS, MAX_BARS]


def test_a_window(runner: DefaultRunner, define: Define, show: Show) -> None:
    define("w", ("a", fails_first(0), {}), ("b", fails_first(0), {"dependencies": ["a"]}))
    run = show(runner.execute("w").run_id)
    start = run.view.info.created_at
    timeline = build_timeline(run, NodeFilter(), (Micros(start + 10**9), Micros(start + 2 * 10**9)))
    assert timeline.is_window
    assert [row.bars for row in timeline.rows] == [(), ()]
    assert (timeline.scale.start, timeline.scale.end) == (start + 10**9, start + 2 * 10**9)


def test_a_fork_shows_what_it_took_over(runner: DefaultRunner, define: Define, show: Show) -> None:
    define("w", ("a", fails_first(0), {}), ("b", fails_first(0), {"dependencies": ["a"]}))
    source = runner.execute("w").run_id
    fork = runner.handle(source).fork(from_task="b")
    fork.result(20)
    timeline = build_timeline(show(fork.run_id), NodeFilter())
    assert [kind for kind in kinds(timeline, "a") if "queued" not in kind] == ["completed inherited"]
    assert "completed" in kinds(timeline, "b")
    assert_bars_fit(timeline)


def event(kind: type[ev.RunEvent], at: int, **fields: Any) -> ev.RunEvent:
    return kind(run_id="r", seq=1, part=0, at=Micros(at), recorded_at=Micros(at), **fields)


def periods_of(*events: ev.RunEvent) -> tuple[Period, ...]:
    return fold_periods(events).nodes["a"]


def test_a_lost_attempt_ran_at_most_since_it_was_queued() -> None:
    found = periods_of(
        event(ev.NodeScheduled, 1, node="a", attempt=1),
        event(ev.NodeAttemptLost, 5, node="a", attempt=1),
        event(ev.NodeScheduled, 6, node="a", attempt=1),
        event(ev.NodeStarted, 7, node="a", attempt=1),
        event(ev.NodeSucceeded, 9, node="a", attempt=1),
    )
    assert [(p.kind, p.start, p.end, p.outcome) for p in found] == [
        ("running", 1, 5, "lost"), ("queued", 6, 7, ""), ("running", 7, 9, "completed"),
    ]  # fmt: skip


def test_timers_and_children() -> None:
    found = periods_of(
        event(ev.NodeStarted, 1, node="a"),
        event(ev.NodeWaiting, 2, node="a", until=Micros(8)),
        event(ev.NodeScheduled, 8, node="a"),
        event(ev.NodeStarted, 8, node="a"),
        event(ev.NodeChildrenRequested, 9, node="a", count=2),
        event(ev.RunCancelled, 12),
    )
    assert [(p.kind, p.start, p.end) for p in found] == [
        ("running", 1, 2), ("timer", 2, 8), ("queued", 8, 8), ("running", 8, 9), ("children", 9, 12),
    ]  # fmt: skip


def test_pauses_by_request() -> None:
    found = fold_periods(
        [event(ev.RunPaused, 1, requested=True), event(ev.RunResumed, 4, requested=True), event(ev.RunPaused, 6),
         event(ev.RunResumed, 7), event(ev.RunPaused, 8, requested=True)]
    )  # fmt: skip
    assert found.paused == ((1, 4), (8, None))
    assert (found.first_at, found.last_at) == (1, 8)
