"""Logs are read and followed exactly: every line once and in order, by attempt, from any place and any process."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from holdwater import Context, DefaultRunner, WorkflowHandle
from holdwater.errors import InvalidArgument, RunNotFound, TaskNotFound
from holdwater.graphs import END, Graph, node, route
from holdwater.model.logs import LogRow
from holdwater.model.records import RunFilter
from holdwater.model.time import Micros, add_seconds
from holdwater.operations import Database, LogLine, follow_logs, follow_run, open_for_reading, prune_runs, read_logs
from holdwater.operations.logs import iter_logs
from holdwater.runs import log_follower
from holdwater.runs.logs import PAGE_ROWS, LogReader
from holdwater.runs.reader import RunReader
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, Gate, assert_no_new_threads
from tests.suite.waiting import poll_pause

CAPTURE: dict[str, Any] = {"capture_logs": True, "capture_output": True}


def reader_of(runner: DefaultRunner) -> RunReader:
    return Database.of(runner._engine).runs


def whole_log(runner: DefaultRunner, handle: WorkflowHandle, count: int) -> list[LogLine]:
    """The log when it has so many lines: they are written behind."""
    while len(lines := read_logs(reader_of(runner), handle.run_id).lines) < count:  # bounded by the test's time-out
        poll_pause()
    assert len(lines) == count
    return list(lines)


def briefly(lines: list[LogLine] | tuple[LogLine, ...]) -> list[tuple[str, int, int, str]]:
    return [(line.node, line.iteration, line.attempt, line.text.splitlines()[-1]) for line in lines]


def count_journal_reads(runner: DefaultRunner, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The entries behind which the journal is read by readers of the log, at each look."""
    looks: list[int] = []
    store = runner._engine.store
    read = store.read_journal

    def counted(run_id: str, after_seq: int = 0) -> Any:
        looks.append(after_seq)
        return read(run_id, after_seq=after_seq)

    monkeypatch.setattr(store, "read_journal", counted)
    return looks


@pytest.fixture
def capturing(open_runner: Callable[..., DefaultRunner]) -> DefaultRunner:
    return open_runner(**CAPTURE)


def run_retried(runner: DefaultRunner, define: Define) -> WorkflowHandle:
    """Two tasks; the first is tried three times, and once more by hand."""
    tries = iter([1, 2, 3, 4])

    def flaky(context: Context) -> None:
        number = next(tries)
        print("try", number)
        if number < 4:
            raise ConnectionError(f"no {number}")

    define(
        "w",
        ("flaky", flaky, {"retry_attempts": 3, "retry_delay_ms": 1}),
        ("after", lambda context: print("done"), {"dependencies": ["flaky"]}),
    )
    handle = runner.submit("w")
    handle.result(SIGNAL_TIMEOUT_SECONDS)
    handle.retry("by hand")
    handle.result(SIGNAL_TIMEOUT_SECONDS)
    return handle


RETRIED = [
    ("flaky", 1, 1, "try 1"),
    ("flaky", 1, 1, "ConnectionError: no 1"),
    ("flaky", 1, 2, "try 2"),
    ("flaky", 1, 2, "ConnectionError: no 2"),
    ("flaky", 1, 3, "try 3"),
    ("flaky", 1, 3, "ConnectionError: no 3"),
    ("flaky", 1, 4, "try 4"),
    ("after", 1, 1, "done"),
]


def test_attempts_and_their_failures(capturing: DefaultRunner, define: Define) -> None:
    handle = run_retried(capturing, define)
    assert briefly(whole_log(capturing, handle, 8)) == RETRIED
    runs = reader_of(capturing)
    assert briefly(read_logs(runs, "@last", "flaky", 2).lines) == RETRIED[2:4]
    assert briefly(read_logs(runs, "@last", "after").lines) == RETRIED[7:]
    assert briefly(read_logs(runs, "@last", attempt=1).lines) == [*RETRIED[:2], RETRIED[7]]
    assert read_logs(runs, "@last", "after", 7).lines == ()


def test_it_is_read_on_from_every_place_in_pages_of_every_size(capturing: DefaultRunner, define: Define) -> None:
    whole = whole_log(capturing, run_retried(capturing, define), 8)
    runs = reader_of(capturing)
    for k, line in enumerate(whole):
        page = read_logs(runs, "@last", after=line.cursor)
        assert (list(page.lines), page.has_more) == (whole[k + 1 :], False)
        assert read_logs(runs, "@last", after=page.cursor).lines == ()
    for size in range(1, 10):
        found: list[LogLine] = []
        cursor, has_more = None, True
        while has_more:
            page = read_logs(runs, "@last", after=cursor, limit=size)
            found += page.lines
            cursor, has_more = page.cursor, page.has_more
        assert found == whole


def test_a_log_of_many_pages_reads_its_run_once(
    capturing: DefaultRunner, define: Define, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 2 * PAGE_ROWS + 1

    def body(context: Context) -> None:
        for k in range(count):
            print(k)

    handle = capturing.submit(define("w", ("a", body, {})))
    handle.result(SIGNAL_TIMEOUT_SECONDS)
    runs = reader_of(capturing)
    while runs.store.read_logs(handle.run_id, count - 1) == []:
        poll_pause()
    looks = count_journal_reads(capturing, monkeypatch)
    assert [line.text for line in iter_logs(runs, handle.run_id)] == [str(k) for k in range(count)]
    assert looks == [0]


def test_iterations_of_a_loop_and_runs_of_a_map(capturing: DefaultRunner) -> None:
    @node(output_name="n")
    def step(n: int) -> int:
        print("at", n)
        return n + 1

    @route(["step", END])
    def more(n: int) -> str:
        return END if n >= 2 else "step"

    @node(output_name="y")
    def double(x: int) -> int:
        print("double", x)
        return 2 * x

    graph = Graph([step, more, Graph([double], name="doubles").as_node().map_over("x")], name="logged_graph")
    handle = capturing.submit(graph, {"n": 0, "x": [5, 6]})
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    assert briefly(whole_log(capturing, handle, 2)) == [("step", 1, 1, "at 0"), ("step", 2, 1, "at 1")]
    texts = {
        line.text
        for child in capturing.list_runs(parent_run_id=handle.run_id)
        for line in whole_log(capturing, capturing.handle(child.run_id), 1)
    }
    assert texts == {"double 5", "double 6"}


def test_a_running_attempt(capturing: DefaultRunner, define: Define, gate: Gate) -> None:
    tries = iter([1, 2])

    def body(context: Context) -> None:
        number = next(tries)
        print("try", number)
        if number == 1:
            raise ConnectionError("no")
        gate()

    handle = capturing.submit(define("w", ("a", body, {"retry_attempts": 2, "retry_delay_ms": 1})))
    gate.wait_started()
    assert briefly(whole_log(capturing, handle, 3))[-1] == ("a", 1, 2, "try 2")


def test_lines_of_attempts_that_were_suspended(capturing: DefaultRunner, define: Define) -> None:
    """A function that is called again after a wait goes on in its attempt, under another fence."""
    handle = capturing.submit(define("w", ("a", lambda context: None, {})))
    handle.result(SIGNAL_TIMEOUT_SECONDS)
    rows = [LogRow(handle.run_id, 0, fence, Micros(1), "stdout", f"fence {fence}") for fence in (0, 1, 2)]
    capturing._engine.store.append_logs(rows)
    assert [(line.iteration, line.attempt) for line in whole_log(capturing, handle, 3)] == [(1, 1), (1, 1), (2, 1)]


def test_what_is_not_there(capturing: DefaultRunner, define: Define) -> None:
    run_retried(capturing, define)
    runs = reader_of(capturing)
    for wrong in ("", "x", "1", "1.2.3", "-1.0", "1.0 ", "9" * 30 + ".0", "１.0", 7):
        with pytest.raises(InvalidArgument):
            read_logs(runs, "@last", after=wrong)  # type: ignore[arg-type]
        with pytest.raises(InvalidArgument):
            follow_logs(runs, "@last", after=wrong)  # type: ignore[arg-type]
    with pytest.raises(RunNotFound):
        read_logs(runs, "ffff-none")
    with pytest.raises(TaskNotFound, match="flak"):
        read_logs(runs, "@last", "flak")
    assert read_logs(runs, "@last", after="999.999").lines == ()


def test_plain_text_has_no_terminal_sequences() -> None:
    text = "\x1b[1;31mred\x1b[0m \x1b]0;title\x07and \x1b]8;;http://x\x1b\\link\x1b[2K"
    assert LogLine("1.0", "a", 1, 1, Micros(0), "stdout", text).plain_text == "red and link"


def test_logs_are_pruned_with_their_run(capturing: DefaultRunner, define: Define) -> None:
    handle = run_retried(capturing, define)
    whole_log(capturing, handle, 8)
    database = Database.of(capturing._engine)
    assert prune_runs(database, add_seconds(capturing._engine.clock.now(), 60)) == 1
    assert capturing._engine.store.read_logs(handle.run_id) == []
    with pytest.raises(RunNotFound):
        read_logs(database.runs, handle.run_id)


# -- while it goes on


def test_it_is_followed_to_the_end_of_the_run(
    capturing: DefaultRunner, define: Define, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def body(context: Context) -> None:
        print("before")
        gate()
        print("after")
        raise ValueError("the end")

    handle = capturing.submit(define("w", ("a", body, {})))
    looks = count_journal_reads(capturing, monkeypatch)
    seen: list[str] = []
    for line in follow_logs(reader_of(capturing), handle.run_id):
        seen.append(line.text.splitlines()[-1])
        gate.open.set()
    assert seen == ["before", "after", "ValueError: the end"]
    assert (looks[0], looks.count(0), len(looks) > 1) == (0, 1, True), "each further look costs what is new"


def test_coroutines_follow_too(capturing: DefaultRunner, define: Define) -> None:
    async def collect() -> list[LogLine]:
        return [line async for line in follow_logs(reader_of(capturing), "@last")]

    handle = run_retried(capturing, define)
    whole = whole_log(capturing, handle, 8)
    assert asyncio.run(asyncio.wait_for(collect(), SIGNAL_TIMEOUT_SECONDS)) == whole
    assert list(follow_logs(reader_of(capturing), "@last", after=whole[4].cursor)) == whole[5:]


def test_a_follower_elsewhere_is_told_and_need_not_look(
    capturing: DefaultRunner, define: Define, gate: Gate, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines that another runner writes wake it: the next look by itself would come an hour later."""
    monkeypatch.setattr(log_follower, "LONGEST_WAIT_SECONDS", 3600.0)
    monkeypatch.setattr(log_follower, "LATE_WAIT_SECONDS", 3600.0)

    def body(context: Context) -> None:
        gate()
        print("hello")
        second()

    second = Gate()
    handle = capturing.submit(define("w", ("a", body, {})))
    gate.wait_started()
    seen = threading.Event()

    def follow() -> None:
        with open_for_reading(url) as opened:
            for line in follow_logs(opened.runs, handle.run_id):
                assert line.text == "hello"
                seen.set()
                return

    follower = threading.Thread(target=follow)
    follower.start()
    while not capturing._engine.driver.journal_watchers.is_followed_elsewhere(handle.run_id):
        poll_pause()  # bounded by the test's time-out
    gate.open.set()
    assert seen.wait(SIGNAL_TIMEOUT_SECONDS)
    second.open.set()
    follower.join(SIGNAL_TIMEOUT_SECONDS)


def listening_threads() -> int:
    return sum(thread.name == "holdwater-notify" for thread in threading.enumerate())


def test_one_listener_for_all_followers_of_a_database(capturing: DefaultRunner, define: Define, url: str) -> None:
    handle = run_retried(capturing, define)
    before = listening_threads()
    for _ in range(3):
        assert len(list(follow_logs(reader_of(capturing), handle.run_id))) == 8
        assert list(follow_run(reader_of(capturing), handle.run_id))
    assert listening_threads() == before  # the runner listens for all
    with assert_no_new_threads(), open_for_reading(url) as opened:
        for _ in range(3):
            assert len(list(follow_logs(opened.runs, handle.run_id))) == 8
            assert list(follow_run(opened.runs, handle.run_id))
        assert listening_threads() == before + 1


def test_a_failure_waits_for_the_lines_before_it(capturing: DefaultRunner, define: Define) -> None:
    handle = run_retried(capturing, define)
    whole = whole_log(capturing, handle, 8)
    reader = LogReader(reader_of(capturing), handle.run_id)
    early = reader.read(failures_until=Micros(whole[3].at - 1))
    assert list(early.lines) == whole[:3]
    assert list(reader.read(early.cursor).lines) == whole[3:]
    assert reader.has_failure_after(whole[3].at)
    assert not reader.has_failure_after(whole[5].at)


# -- a process that is killed

SCRIPT = """
import sys, threading, logging
from holdwater import DefaultRunner, DefaultRunnerConfig, WorkflowBuilder, task

with WorkflowBuilder("killed"):
    @task(id="a")
    def a(context):
        print("first words")
        logging.getLogger("x").warning("a record")
        threading.Event().wait()

config = DefaultRunnerConfig(capture_logs=True, capture_output=True, lease_seconds=1)
with DefaultRunner(sys.argv[1], config=config) as runner:
    runner.submit("killed").result()
"""


def test_after_a_kill_what_was_written_is_there_and_the_next_attempt_has_its_own(
    url: str, open_runner: Callable[..., DefaultRunner], define: Define
) -> None:
    open_runner().shutdown()  # which makes the tables
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    with open_for_reading(url) as opened:
        runs = opened.runs
        try:
            while not (found := runs.list_runs(RunFilter())):
                poll_pause()
            run_id = found[0].id
            while len(read_logs(runs, run_id).lines) < 2:
                poll_pause()
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        assert [line.text for line in read_logs(runs, run_id).lines] == ["first words", "a record"]
        define("killed", ("a", lambda context: print("again"), {}))
        next_runner = open_runner(**CAPTURE, lease_seconds=1, recovery_interval_seconds=1)
        handle = next_runner.handle(run_id)
        assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
        assert briefly(whole_log(next_runner, handle, 4)) == [
            ("a", 1, 1, "first words"),
            ("a", 1, 1, "a record"),
            ("a", 1, 1, "its process died"),
            ("a", 1, 2, "again"),
        ]
