"""Runners on each database, workflows for the time of a test, and gates that task functions wait at."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from holdwater import DefaultRunner, DefaultRunnerConfig, WorkflowBuilder, task
from holdwater.executors import ExecutorMetrics
from holdwater.model.registry import registry
from tests.suite.waiting import poll_pause

SIGNAL_TIMEOUT_SECONDS = 20.0
"""how long a test waits for a signal that comes at once when all is well"""

Define = Callable[..., str]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path, migrated_schema: Callable[[], str]) -> str:
    return migrated_schema() if request.param == "postgresql" else f"sqlite:///{tmp_path}/runs.db"


@pytest.fixture
def open_runner(url: str) -> Iterator[Callable[..., DefaultRunner]]:
    """Opens runners on the test's database, and shuts them down."""
    opened: list[DefaultRunner] = []

    def open_(**options: Any) -> DefaultRunner:
        opened.append(DefaultRunner.with_config(url, DefaultRunnerConfig(**options)))
        return opened[-1]

    yield open_
    for runner in opened:
        runner.shutdown()


@pytest.fixture
def runner(open_runner: Callable[..., DefaultRunner]) -> DefaultRunner:
    return open_runner()


@pytest.fixture
def define() -> Iterator[Define]:
    """Registers a workflow of (id, body, options) rows, for the time of the test."""
    names: list[str] = []

    def define_(name: str, *tasks: tuple[str, Callable[..., Any], dict[str, Any]]) -> str:
        with WorkflowBuilder(name):
            for id_, body, options in tasks:
                task(id=id_, **options)(body)
        names.append(name)
        return name

    yield define_
    for name in names:
        registry.unregister(name)


@pytest.fixture
def empty_registry() -> Iterator[None]:
    """The registry has the workflows of the test alone; afterwards it has those it had before."""
    before = {name: registry.get(name) for name in registry.names()}
    for name in before:
        registry.unregister(name)
    yield
    for name in registry.names():
        registry.unregister(name)
    for name, definition in before.items():
        registry.register(definition, name)


def metrics_when_idle(runner: DefaultRunner, executor: str) -> ExecutorMetrics:
    """The metrics when all slots are back, which is a moment after the last body told its end."""
    while runner.executor_metrics()[executor].active_tasks:  # bounded by the test's time-out
        poll_pause()
    return runner.executor_metrics()[executor]


class Gate:
    """A body that has begun waits here until the test lets it go."""

    def __init__(self) -> None:
        self.started = threading.Semaphore(0)
        self.open = threading.Event()

    def wait_started(self) -> None:
        assert self.started.acquire(timeout=SIGNAL_TIMEOUT_SECONDS), "the body did not begin"

    def __call__(self) -> None:
        self.started.release()
        assert self.open.wait(SIGNAL_TIMEOUT_SECONDS), "nobody opened the gate"


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.open.set()


@contextmanager
def assert_no_new_threads() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(SIGNAL_TIMEOUT_SECONDS)  # one that was told to end, such as a cancelled timer, may need a moment
    left = [t for t in threading.enumerate() if t not in before and t.is_alive()]
    assert not left, f"threads left behind: {left}"
