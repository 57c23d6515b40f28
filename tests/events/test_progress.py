from __future__ import annotations

import io
import re
import subprocess
import sys

import pytest

from holdwater.events import ProgressBar, RichProgressProcessor
from holdwater.events.progress_bars import Bar, ProgressTree
from tests.events.event_samples import EventSequence


@pytest.fixture(autouse=True)
def a_capable_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the stream is, the tests say; what the machine's own terminal can do must not matter."""
    monkeypatch.setenv("TERM", "xterm-256color")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def output_lines(play: EventSequence, stream: io.StringIO) -> list[str]:
    return stream.getvalue().splitlines()


def line_progress() -> tuple[EventSequence, io.StringIO]:
    stream = io.StringIO()
    return EventSequence.for_processors(RichProgressProcessor(stream=stream)), stream


class LastRootProgressTree(ProgressTree):
    """Keeps the last outermost bar."""

    root: Bar

    def on_event(self, event: object) -> None:
        super().on_event(event)  # type: ignore[arg-type]
        if self.roots:
            self.root = self.roots[-1]


def tracked_progress() -> tuple[EventSequence, LastRootProgressTree]:
    bars = LastRootProgressTree()
    return EventSequence.for_processors(bars), bars


# -- without a terminal


def test_elsewhere_there_is_a_line_per_milestone() -> None:
    run, stream = line_progress()
    run.start_run(nodes=8)
    for number in range(8):
        run.run_node(f"n{number}")
    run.end_run()
    assert output_lines(run, stream) == [
        "etl: 12 % (1/8 nodes)",
        "etl: 25 % (2/8 nodes)",
        "etl: 50 % (4/8 nodes)",
        "etl: 75 % (6/8 nodes)",
        "etl: 100 % (8/8 nodes)",
    ]


def test_what_no_branch_led_to_does_not_keep_a_run_from_100_percent() -> None:
    run, stream = line_progress()
    run.start_run(nodes=2)
    run.run_node("taken")
    run.end_run()
    assert output_lines(run, stream)[-1] == "etl: 100 % (1/1 nodes)"


def test_a_failure_is_said() -> None:
    run, stream = line_progress()
    run.start_run(nodes=4)
    run.run_node("a")
    run.fail_node("b", ValueError("two\nlines"))
    run.end_run("failed")
    assert output_lines(run, stream)[-1] == "etl: failed after 2/4 nodes, 1 failed, b: ValueError: two lines"


def test_items_of_a_map_are_counted() -> None:
    run, stream = line_progress()
    run.start_run(items=4)
    for index in range(4):
        item = run.map_item(index).start_run(nodes=3)
        item.run_node("a")
        item.end_run()
    run.end_run()
    assert output_lines(run, stream) == [
        "etl: 25 % (1/4 items)",
        "etl: 50 % (2/4 items)",
        "etl: 75 % (3/4 items)",
        "etl: 100 % (4/4 items)",
    ]


def test_lines_need_no_rich() -> None:
    program = (
        "import sys; from tests.events.event_samples import EventSequence; from holdwater.events import ProgressBar;"
        "run = EventSequence.for_processors(ProgressBar()); run.start_run(nodes=1); run.run_node('a'); run.end_run();"
        "print('rich' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert done.stderr.strip() == "etl: 100 % (1/1 nodes)"


# -- bars


def test_loops_count_calls() -> None:
    run, bars = tracked_progress()
    run.start_run(nodes=2)
    for _ in range(3):
        run.run_node("draft")
        run.run_node("review")
    assert (bars.root.done, bars.root.total, bars.root.calls) == (2, 2, 6)


def test_nested_graphs_and_maps_have_bars_below() -> None:
    run, bars = tracked_progress()
    run.start_run(nodes=2)
    for _ in range(2):  # in a loop
        run.start_node("rag")
        inner = run.nested_run("rag").start_run(nodes=3)
        inner.run_node("embed")
        inner.start_node("each")
        fan = inner.nested_run("each", span="map").start_run(items=5)
        item = fan.map_item(0).start_run(nodes=1)
        item.run_node("one")
        item.end_run("failed")
        fan.end_run("failed")
        inner.end_node("each")
        inner.end_run()
        run.end_node("rag")
    assert [(b.depth, b.label, b.done, b.total, b.unit, b.failed) for b in bars.root.walk()] == [
        (0, "etl", 1, 2, "nodes", 0),
        (1, "rag", 4, 4, "nodes", 0),
        (2, "each", 2, 10, "items", 2),
    ]


def test_runs_side_by_side_have_bars_of_their_own() -> None:
    run, bars = tracked_progress()
    other = EventSequence(run.dispatcher, run_id="run-2", name="other")
    run.start_run(nodes=1)
    other.start_run(nodes=2)
    other.run_node("a")
    run.run_node("a")
    assert [(bar.label, bar.done, bar.total) for bar in bars.roots] == [("etl", 1, 1), ("other", 1, 2)]


def test_a_terminal_shows_bars() -> None:
    stream = Terminal()
    run = EventSequence.for_processors(ProgressBar(stream=stream))
    run.start_run(nodes=2)
    run.start_node("rag")
    inner = run.nested_run("rag").start_run(nodes=1)
    inner.run_node("embed")
    inner.end_run()
    run.end_node("rag")
    run.fail_node("load", ValueError("x"))
    run.end_run("failed")
    run.dispatcher.shutdown()
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue()).rsplit("etl", 1)[-1]
    assert "2/2 nodes, 1 failed" in last
    assert "  rag" in last
    assert "1/1 nodes" in last
    assert "\x1b[?25h" in stream.getvalue(), "the cursor is back"


def test_a_shutdown_without_an_end_gives_the_terminal_back() -> None:
    stream = Terminal()
    run = EventSequence.for_processors(ProgressBar(stream=stream))
    run.start_run(nodes=2)
    run.dispatcher.shutdown()
    assert "\x1b[?25h" in stream.getvalue()
