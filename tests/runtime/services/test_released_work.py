"""A runner that is shut down lets go of all it held: the next one begins it at once, long before any lease runs out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from holdwater import DefaultRunner
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, Gate

Open = Callable[..., DefaultRunner]

NO_POLLING: dict[str, Any] = {"lease_seconds": 3600, "recovery_interval_seconds": 3600, "shutdown_timeout_seconds": 0}
"""nothing but a release, or news of one, leads anybody to the work"""


@pytest.mark.parametrize("beside", [True, False], ids=["a runner beside it", "the next runner"])
def test_what_a_shutdown_leaves_is_begun_at_once(open_runner: Open, define: Define, gate: Gate, beside: bool) -> None:
    """What ran, and what was leased ahead of a free slot."""
    define("w", ("a", lambda context: gate(), {}))
    first = open_runner(max_concurrent_tasks=2, prefetch_tasks=4, **NO_POLLING)
    runs = [first.submit("w").run_id for _ in range(5)]
    for _ in range(2):
        gate.wait_started()
    other = open_runner(max_concurrent_tasks=1, **NO_POLLING) if beside else None
    first.shutdown()
    gate.open.set()
    second = other or open_runner(**NO_POLLING)
    assert {second.handle(run).result(SIGNAL_TIMEOUT_SECONDS).status for run in runs} == {"Completed"}
