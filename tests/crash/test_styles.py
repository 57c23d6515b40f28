"""Steps and graphs, killed before and after every transaction: what is in the journal does not run again."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holdwater.model.time import wall_now
from holdwater.runs.verify.checker import StoreChecker
from holdwater.storage import open_store
from tests.crash import graph_shapes, step_shapes
from tests.crash.databases import Databases, places
from tests.crash.test_every_commit import Job, start

__all__ = ["places", "start"]

SOME = 11
"""of so many moments one is tried by default: in turn before a transaction and after one, as it is an odd number"""
FEW = ("mapped", "asks_inside")
"""what a server is asked by default, and there of every 21st"""

LONG = [pytest.mark.long, pytest.mark.timeout(1800)]
SHAPES = [*step_shapes.SHAPES, *graph_shapes.SHAPES]
CASES = [
    *[pytest.param("sqlite", shape, SOME) for shape in SHAPES],
    *[pytest.param("sqlite", shape, 1, marks=LONG) for shape in SHAPES],
    *[pytest.param("postgresql", shape, 2 * SOME - 1) for shape in FEW],
    *[pytest.param("postgresql", shape, 3, marks=LONG) for shape in SHAPES],
]


class CrashCase:
    """One database with one run on it."""

    def __init__(self, start: Job, places: Databases, directory: Path, kind: str, shape: str, name: str) -> None:
        self._start, self._places = start, places
        self._kind, self._name = kind, name
        self._log, self._out = directory / f"{name}.log", directory / f"{name}.out"
        self._url = places.url(kind, name)
        self._job = {"url": self._url, "log": self._log, "out": self._out, "shape": shape}

    def run_process(self, *, answers: bool = False, crash_at: int = 0, when: str = "never") -> int:
        """Run a process; its exit status."""
        self._out.unlink(missing_ok=True)
        return self._start(**self._job, answers=answers, crash_at=crash_at, when=when)

    def outcome(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._out.read_text(), object_hook=without_times)
        return found

    def started(self) -> Counter[str]:
        """How often bodies began, by name."""
        return Counter(self._log.read_text().splitlines() if self._log.exists() else [])

    def recorded_ends(self) -> Counter[str]:
        return self._places.recorded_ends(self._kind, self._name)

    def run_to_end(self, is_answering: bool) -> tuple[dict[str, Any], list[int]]:
        """Take turns until the run has ended: one process executes, another one answers.

        Returns the outcome, and how many transactions each of them had.
        """
        transactions: list[int] = []
        while True:  # bounded by the test's time-out
            assert self.run_process(answers=is_answering) == 0
            outcome = self.outcome()
            transactions.append(outcome.pop("transactions"))
            if not is_answering and outcome["status"] != "Paused":
                return outcome, transactions
            is_answering = not is_answering

    def verify(self) -> None:
        store = open_store(self._url)
        try:
            assert [str(v) for v in StoreChecker(store, wall_now).find_violations()] == []
        finally:
            store.close()


def without_times(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in ("started_at", "completed_at")}


@pytest.mark.parametrize(("kind", "shape", "every"), CASES)
def test_killed_at_transactions(
    kind: str, shape: str, every: int, start: Job, places: Databases, tmp_path: Path
) -> None:
    def case(name: str) -> CrashCase:
        return CrashCase(start, places, tmp_path, kind, shape, name)

    reference, transactions = case("reference").run_to_end(False)
    assert reference["status"] == "Completed"
    assert (len(transactions) > 1) == (shape in graph_shapes.PAUSING)
    points = 0
    for turn, n, when in crash_points(transactions, every):
        name = f"{turn}-{n}-{when}"
        one = case(name)
        for k in range(turn):
            assert one.run_process(answers=k % 2 == 1) == 0
        status = one.run_process(answers=turn % 2 == 1, crash_at=n, when=when)
        assert status in (0, -signal.SIGKILL), name
        points += status != 0  # grouping differs from run to run: this one had fewer transactions
        recorded, begun = one.recorded_ends(), one.started()
        assert all([begun[node] >= recorded[node] for node in begun]), name
        outcome, _ = one.run_to_end(turn % 2 == 1)
        assert outcome == reference, name
        again, since = one.started() - begun, one.recorded_ends() - recorded
        assert again == Counter({node: count for node, count in since.items() if node in begun + again}), name
        one.verify()
    assert points >= sum(transactions) // every


def crash_points(transactions: list[int], every: int) -> Iterator[tuple[int, int, str]]:
    """Turn, transaction, and before or after it."""
    k = 0
    for turn, count in enumerate(transactions):
        for n in range(1, count + 1):
            for when in ("before", "after"):
                if k % every == 0:
                    yield turn, n, when
                k += 1
