"""Bodies that kill their process, beside others: exactly their runs fail, and all others are completed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from holdwater.runs.verify.checker import StoreChecker
from holdwater.runtime.clock import SystemClock
from holdwater.storage import open_store
from tests.crash.poison import DEATHS, SHAPES
from tests.suite.effort import sample_cases

PATIENCE_SECONDS = 300.0
INNOCENTS = 8


def run_supervised(
    url: str,
    folder: Path,
    poisons: Sequence[tuple[str, str]],
    *,
    innocents: int = INNOCENTS,
    runners: int = 1,
    **options: Any,
) -> int:
    """How often the service died until exactly the runs with poison had failed."""
    job = {
        "url": url, "folder": str(folder), "poisons": poisons, "innocents": innocents, "runners": runners,
        "options": options,
    }  # fmt: skip
    command = [sys.executable, "-m", "tests.crash.poison", json.dumps(job)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    ) as service:
        try:
            out, _ = service.communicate(timeout=PATIENCE_SECONDS)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(service.pid, signal.SIGKILL)
    told = json.loads(out)
    expected = {f"poison {k}": "Failed" for k in range(len(poisons))}
    expected |= {f"innocent {k}": "Completed" for k in range(innocents)}
    assert told["runs"] == expected, told["errors"]
    assert all("CRASHED" in error for error in told["errors"].values())
    store = open_store(url)
    try:
        assert [str(v) for v in StoreChecker(store, SystemClock().now).find_violations()] == []
    finally:
        store.close()
    deaths: int = told["deaths"]
    return deaths


@pytest.mark.parametrize("death", sample_cases(3, list(DEATHS)))
def test_however_it_dies(tmp_path: Path, death: str) -> None:
    deaths = run_supervised(f"sqlite:///{tmp_path}/p.db", tmp_path, [(death, "task")], max_crashes_per_task=3)
    assert 3 <= deaths <= 5


@pytest.mark.parametrize("shape", SHAPES[1:])
def test_whatever_it_is_part_of(tmp_path: Path, shape: str) -> None:
    deaths = run_supervised(f"sqlite:///{tmp_path}/p.db", tmp_path, [("SIGKILL", shape)], max_crashes_per_task=3)
    assert 3 <= deaths <= 5


@pytest.mark.parametrize("crashes", [1, 2])
def test_none_is_condemned_before_it_was_alone(tmp_path: Path, crashes: int) -> None:
    deaths = run_supervised(f"sqlite:///{tmp_path}/p.db", tmp_path, [("SIGKILL", "task")], max_crashes_per_task=crashes)
    assert 2 <= deaths <= 4


def test_several_at_once(tmp_path: Path) -> None:
    """Each crash may count for all that had begun, the last ones are each one's own."""
    poisons = [("SIGKILL", "task"), ("exit", "graph"), ("abort", "async task")]
    deaths = run_supervised(f"sqlite:///{tmp_path}/p.db", tmp_path, poisons, max_crashes_per_task=4)
    assert 10 <= deaths <= 16


def test_by_default(tmp_path: Path) -> None:
    deaths = run_supervised(f"sqlite:///{tmp_path}/p.db", tmp_path, [("SIGKILL", "task")])
    assert 10 <= deaths <= 14


def test_across_two_runners(tmp_path: Path, migrated_schema: Callable[[], str]) -> None:
    options: dict[str, Any] = {"max_crashes_per_task": 3, "lease_seconds": 1, "recovery_interval_seconds": 1}
    deaths = run_supervised(migrated_schema(), tmp_path, [("SIGKILL", "task"), ("exit", "step")], runners=2, **options)
    assert deaths <= 12


@pytest.mark.long
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
@pytest.mark.parametrize("runners", [1, 3])
def test_many_of_every_kind(tmp_path: Path, migrated_schema: Callable[[], str], database: str, runners: int) -> None:
    url = migrated_schema() if database == "postgresql" else f"sqlite:///{tmp_path}/p.db"
    poisons = [(death, SHAPES[k % len(SHAPES)]) for k, death in enumerate(DEATHS)]
    options: dict[str, Any] = {"lease_seconds": 1, "recovery_interval_seconds": 1}
    deaths = run_supervised(url, tmp_path, poisons, innocents=60, runners=runners, **options)
    assert deaths <= 10 * len(poisons) + 10
