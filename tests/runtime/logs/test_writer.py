"""Lines are written behind, in order; a store that is slow, refuses or is gone harms nothing but the log."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence

import pytest

from holdwater.errors import StoreError, StoreUnavailable
from holdwater.model import logs
from holdwater.model.logs import LogRow
from holdwater.model.time import Micros
from holdwater.runtime.clock import SystemClock
from holdwater.runtime.journal_watchers import JournalWatchers
from holdwater.runtime.logs import writer as writing
from holdwater.runtime.logs.attempt_log import AttemptLog
from holdwater.runtime.logs.writer import LogWriter
from tests.suite.waiting import poll_pause

SIGNAL_TIMEOUT_SECONDS = 20.0


class RecordingStore:
    """Keeps what is written.  `errors`: what the next calls raise; it waits while `open` is not set."""

    def __init__(self) -> None:
        self.batches: list[list[LogRow]] = []
        self.errors: list[Exception] = []
        self.open = threading.Event()
        self.open.set()
        self.called = threading.Semaphore(0)

    def append_logs(self, rows: Sequence[LogRow], followed_runs: Collection[str] = ()) -> None:
        self.called.release()
        assert self.open.wait(SIGNAL_TIMEOUT_SECONDS)
        if self.errors:
            raise self.errors.pop(0)
        self.batches.append(list(rows))

    def read_logs(self, run_id: str, after_line: int = 0, limit: int = 1000, node: int | None = None) -> list[LogRow]:
        raise NotImplementedError

    @property
    def texts(self) -> list[str]:
        return [row.text for batch in self.batches for row in batch]


@pytest.fixture
def store() -> RecordingStore:
    return RecordingStore()


@pytest.fixture
def reported() -> list[BaseException]:
    return []


@pytest.fixture
def writer(store: RecordingStore, reported: list[BaseException]) -> Iterator[LogWriter]:
    made = LogWriter(store, JournalWatchers(), lambda where, error: reported.append(error))
    yield made
    store.open.set()
    made.close()


def row(text: str, run_id: str = "r") -> LogRow:
    return LogRow(run_id, 0, 1, Micros(1), "stdout", text)


def attempt_log(writer: LogWriter) -> AttemptLog:
    return AttemptLog(writer, SystemClock(), "r", 0, 1)


def test_all_lines_are_written_in_order_in_batches(store: RecordingStore, writer: LogWriter) -> None:
    for k in range(3500):
        assert writer.add(row(str(k)))
    writer.close()
    assert store.texts == [str(k) for k in range(3500)]
    assert max(map(len, store.batches)) <= writing.MAX_BATCH_LINES
    assert not writer.add(row("late"))


def test_batches_are_bounded_in_bytes(store: RecordingStore, writer: LogWriter) -> None:
    for k in range(100):
        writer.add(row(f"{k}" * 10_000))
    writer.add(row("x" * (writing.MAX_BATCH_BYTES + 1)))
    writer.close()
    assert len(store.texts) == 101
    assert max(sum(r.size_bytes for r in batch) for batch in store.batches[:-1]) <= writing.MAX_BATCH_BYTES
    assert len(store.batches[-1]) == 1


def test_without_lines_there_is_no_thread(store: RecordingStore, writer: LogWriter) -> None:
    before = threading.active_count()
    attempt_log(writer).finish()
    writer.close()
    assert threading.active_count() == before
    assert store.batches == []


def test_lines_beyond_the_buffer_are_dropped_and_counted(
    store: RecordingStore, writer: LogWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "MAX_BUFFER_BYTES", 300)
    store.open.clear()
    log = attempt_log(writer)
    log.add_output("stdout", "".join(f"{k}" * 10 + "\n" for k in range(10)))  # never waits, whatever the store does
    store.called.acquire()
    store.open.set()
    while writer._buffered_bytes:  # bounded by the test's time-out
        poll_pause()
    monkeypatch.setattr(writing, "MAX_BUFFER_BYTES", 10_000)
    log.add_output("stdout", "later\n")
    writer.close()
    kept = 300 // (10 + logs.LINE_OVERHEAD_BYTES)
    assert store.texts[:kept] == [f"{k}" * 10 for k in range(kept)]
    assert store.texts[kept:] == [f"{10 - kept} lines are missing: more came than could be written", "later"]


def test_the_end_of_an_attempt_says_what_is_missing(
    store: RecordingStore, writer: LogWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = attempt_log(writer)
    monkeypatch.setattr(writing, "MAX_BUFFER_BYTES", 10)
    log.add_output("stderr", "lost\nand no newline")
    monkeypatch.undo()
    log.finish()
    writer.close()
    assert store.texts == ["1 line is missing: more came than could be written", "and no newline"]


def test_an_unavailable_store_is_tried_again(
    store: RecordingStore, writer: LogWriter, reported: list[BaseException]
) -> None:
    store.errors += [StoreUnavailable("busy"), StoreUnavailable("busy")]
    for k in range(3):
        writer.add(row(str(k)))
    for _ in range(3):
        assert store.called.acquire(timeout=SIGNAL_TIMEOUT_SECONDS)
    writer.close()
    assert store.texts == ["0", "1", "2"]
    assert [str(error) for error in reported] == ["busy"]


def test_a_store_that_refuses_is_reported_once_and_loses_its_lines(
    store: RecordingStore, writer: LogWriter, reported: list[BaseException]
) -> None:
    store.errors += [StoreError("no such table"), ValueError("something else")]
    for text in ("a", "b"):
        writer.add(row(text))
        assert store.called.acquire(timeout=SIGNAL_TIMEOUT_SECONDS)
        while writer._buffered_bytes:
            pass
    writer.add(row("c"))
    writer.close()
    assert store.texts == ["c"]
    assert [str(error) for error in reported] == ["no such table"]


def test_closing_does_not_wait_for_a_store_that_hangs(
    store: RecordingStore, writer: LogWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "CLOSE_SECONDS", 0.01)
    store.open.clear()
    writer.add(row("a"))
    store.called.acquire()
    writer.close()
    assert store.texts == []


def test_an_attempt_is_cut_at_its_limit(
    store: RecordingStore, writer: LogWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MAX_ATTEMPT_BYTES", 1000)
    log = attempt_log(writer)
    for _ in range(100):
        log.add_output("stdout", "é" * 100 + "\n")
        log.add_line("text", "INFO", "x")
    log.finish()
    writer.close()
    *lines, cut = [r for batch in store.batches for r in batch]
    assert sum(r.size_bytes for r in lines) <= 1000
    assert len(lines) == 6
    assert (cut.stream, "is cut here" in cut.text) == ("notice", True)


def test_in_a_forked_child_nothing_is_taken(store: RecordingStore, writer: LogWriter) -> None:
    writer.add(row("a"))
    writer.pid -= 1  # type: ignore[misc]
    attempt_log(writer).add_output("stdout", "b\n")
    writer.close()
    assert store.texts == ["a"]


def test_whatever_is_captured_raises_nothing(
    writer: LogWriter, reported: list[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: LogRow) -> bool:
        raise MemoryError

    monkeypatch.setattr(writer, "add", fail)
    log = attempt_log(writer)
    log.add_output("stdout", "a\n")
    log.add_output("stdout", "a\n")
    assert [type(error) for error in reported] == [MemoryError]
