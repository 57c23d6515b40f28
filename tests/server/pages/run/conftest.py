"""Views of runs that were really executed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holdwater import DefaultRunner
from holdwater.runs.reader import RunReader
from holdwater.server.pages.run.shown_run import ShownRun
from tests.suite.runners import define, gate, open_runner

__all__ = ["define", "gate", "open_runner"]

Show = Callable[[str], ShownRun]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/runs.db"


@pytest.fixture
def runner(open_runner: Callable[..., DefaultRunner]) -> DefaultRunner:
    return open_runner()


@pytest.fixture
def reader(runner: DefaultRunner) -> RunReader:
    return runner._engine.reader


@pytest.fixture
def show(runner: DefaultRunner, reader: RunReader) -> Show:
    """Shows a run as it is now."""
    return lambda run_id: ShownRun.of(reader.view(run_id), runner._engine.clock.now())


def fails_first(times: int) -> Callable[[Any], None]:
    """Return the function of a task that fails so often."""
    left = [times]

    def body(context: Any) -> None:
        if left[0]:
            left[0] -= 1
            raise ValueError(f"{left[0]} more")
        context["done"] = True

    return body
