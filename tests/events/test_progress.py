from __future__ import annotations

import io
import re
import subprocess
import sys

import pytest

from holdwater.events import ProgressBar, RichProgressProcessor
from holdwater.events.progress_bars import Bar, Bars
from tests.events.event_samples import Play


@pytest.fixture(autouse=True)
def a_capable_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the stream is, the tests say; what the machine's own terminal can do must not matter."""
    monkeypatch.setenv("TERM", "xterm-256color")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines_of(play: Play, stream: io.StringIO) -> list[str]:
    return stream.getvalue().splitlines()


def lines() -> tuple[Play, io.StringIO]:
    stream = io.StringIO()
    return Play.to(RichProgressProcessor(stream=stream)), stream


class Followed(Bars):
    """Keeps the last outermost bar."""

    root: Bar

    def on_event(self, event: object) -> None:
        super().on_event(event)  # type: ignore[arg-type]
        if self.roots:
            self.root = self.roots[-1]


def followed() -> tuple[Play, Followed]:
    bars = Followed()
    return Play.to(bars), bars


# -- without a terminal


def test_elsewhere_there_is_a_line_per_milestone() -> None:
    run, stream = lines()
    run.start(nodes=8)
    for number in range(8):
        run.node(f"n{number}")
    run.end()
    assert lines_of(run, stream) == [
        "etl: 12 % (1/8 nodes)",
        "etl: 25 % (2/8 nodes)",
        "etl: 50 % (4/8 nodes)",
        "etl: 75 % (6/8 nodes)",
        "etl: 100 % (8/8 nodes)",
    ]


def test_what_no_branch_led_to_does_not_keep_a_run_from_100_percent() -> None:
    run, stream = lines()
    run.start(nodes=2)
    run.node("taken")
    run.end()
    assert lines_of(run, stream)[-1] == "etl: 100 % (1/1 nodes)"


def test_a_failure_is_said() -> None:
    run, stream = lines()
    run.start(nodes=4)
    run.node("a")
    run.fail("b", ValueError("two\nlines"))
    run.end("failed")
    assert lines_of(run, stream)[-1] == "etl: failed after 2/4 nodes, 1 failed, b: ValueError: two lines"


def test_items_of_a_map_are_counted() -> None:
    run, stream = lines()
    run.start(items=4)
    for index in range(4):
        item = run.item(index).start(nodes=3)
        item.node("a")
        item.end()
    run.end()
    assert lines_of(run, stream) == [
        "etl: 25 % (1/4 items)",
        "etl: 50 % (2/4 items)",
        "etl: 75 % (3/4 items)",
        "etl: 100 % (4/4 items)",
    ]


def test_lines_need_no_rich() -> None:
    program = (
        "import sys; from tests.events.event_samples import Play; from holdwater.events import ProgressBar;"
        "run = Play.to(ProgressBar()); run.start(nodes=1); run.node('a'); run.end();"
        "print('rich' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert done.stderr.strip() == "etl: 100 % (1/1 nodes)"


# -- bars


def test_loops_count_calls() -> None:
    run, bars = followed()
    run.start(nodes=2)
    for _ in range(3):
        run.node("draft")
        run.node("review")
    assert (bars.root.done, bars.root.total, bars.root.calls) == (2, 2, 6)


def test_nested_graphs_and_maps_have_bars_below() -> None:
    run, bars = followed()
    run.start(nodes=2)
    for _ in range(2):  # in a loop
        run.begin("rag")
        inner = run.inside("rag").start(nodes=3)
        inner.node("embed")
        inner.begin("each")
        fan = inner.inside("each", span="map").start(items=5)
        item = fan.item(0).start(nodes=1)
        item.node("one")
        item.end("failed")
        fan.end("failed")
        inner.finish("each")
        inner.end()
        run.finish("rag")
    assert [(b.depth, b.label, b.done, b.total, b.unit, b.failed) for b in bars.root.below()] == [
        (0, "etl", 1, 2, "nodes", 0),
        (1, "rag", 4, 4, "nodes", 0),
        (2, "each", 2, 10, "items", 2),
    ]


def test_runs_side_by_side_have_bars_of_their_own() -> None:
    run, bars = followed()
    other = Play(run.dispatcher, run_id="run-2", name="other")
    run.start(nodes=1)
    other.start(nodes=2)
    other.node("a")
    run.node("a")
    assert [(bar.label, bar.done, bar.total) for bar in bars.roots] == [("etl", 1, 1), ("other", 1, 2)]


def test_a_terminal_shows_bars() -> None:
    stream = Terminal()
    run = Play.to(ProgressBar(stream=stream))
    run.start(nodes=2)
    run.begin("rag")
    inner = run.inside("rag").start(nodes=1)
    inner.node("embed")
    inner.end()
    run.finish("rag")
    run.fail("load", ValueError("x"))
    run.end("failed")
    run.dispatcher.shutdown()
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue()).rsplit("etl", 1)[-1]
    assert "2/2 nodes, 1 failed" in last
    assert "  rag" in last
    assert "1/1 nodes" in last
    assert "\x1b[?25h" in stream.getvalue(), "the cursor is back"


def test_a_shutdown_without_an_end_gives_the_terminal_back() -> None:
    stream = Terminal()
    run = Play.to(ProgressBar(stream=stream))
    run.start(nodes=2)
    run.dispatcher.shutdown()
    assert "\x1b[?25h" in stream.getvalue()
