"""Outcomes of the audit log are written in batches, and wait while the database cannot be reached."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from holdwater.errors import StoreError, StoreUnavailable
from holdwater.server.control import outcome_writer
from holdwater.server.control.outcome_writer import OutcomeRow, OutcomeWriter
from tests.suite.waiting import wait_until

DONE: tuple[str, str] = ("done", "")


class Table:
    """Takes what is written.  `failures`: calls that fail before."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.batches: list[list[OutcomeRow]] = []
        self.failed = threading.Event()

    def write(self, rows: Sequence[OutcomeRow]) -> None:
        if self.failures:
            self.failures -= 1
            self.failed.set()
            raise StoreError("a right was revoked") if self.failures % 2 else StoreUnavailable("the server is away")
        self.batches.append([*rows])

    @property
    def numbers(self) -> list[int]:
        return [number for batch in self.batches for number, _, _ in batch]


def test_what_waits_is_written_by_the_close() -> None:
    table = Table()
    writer = OutcomeWriter(table.write)
    for number in range(1200):
        writer.put((number, *DONE))
    writer.close()
    writer.close()
    assert table.numbers == list(range(1200))
    assert len(table.batches) < 1200


def test_one_that_was_never_used_has_no_thread() -> None:
    writer = OutcomeWriter(Table().write)
    writer.close()
    writer.put((1, *DONE))
    assert not [one for one in threading.enumerate() if one.name == "holdwater-audit"]


def test_outcomes_wait_for_the_database_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcome_writer, "RETRY_SECONDS", 0.001)
    table = Table(failures=3)
    writer = OutcomeWriter(table.write)
    for number in range(10):
        writer.put((number, *DONE))
    assert table.failed.wait(60)
    writer.put((10, *DONE))
    wait_until(lambda: table.batches)
    writer.close()
    assert table.numbers == list(range(11))


def test_the_oldest_are_dropped_when_too_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcome_writer, "MAX_WAITING", 5)
    table = Table(failures=1)
    writer = OutcomeWriter(table.write)
    for number in range(5):
        writer.put((number, *DONE))
    assert table.failed.wait(60)
    for number in range(5, 8):
        writer.put((number, *DONE))
    writer.close()
    assert table.numbers == [3, 4, 5, 6, 7]


def test_the_close_does_not_wait_for_a_database_that_is_away() -> None:
    table = Table(failures=1_000_000)
    writer = OutcomeWriter(table.write)
    writer.put((1, *DONE))
    assert table.failed.wait(60)
    writer.close()
    assert not table.numbers
