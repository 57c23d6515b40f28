"""A database with a runner, and servers of it.  One for the tests of a module: they do not disturb each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from holdwater import DefaultRunner
from tests.server.live import Live, serve_database
from tests.suite.runners import define, gate

__all__ = ["define", "gate"]


@pytest.fixture(scope="module")
def database_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('server')}/runs.db"


@pytest.fixture(scope="module")
def runner(database_url: str) -> Iterator[DefaultRunner]:
    """Executes runs on the database, in this process, through a store of its own."""
    with DefaultRunner(database_url) as opened:
        yield opened


@pytest.fixture(scope="module")
def live(database_url: str, runner: DefaultRunner) -> Iterator[Live]:
    """Serves the database."""
    with serve_database(database_url) as served:
        yield served


@pytest.fixture
def serve(database_url: str, runner: DefaultRunner) -> Iterator[Callable[..., Live]]:
    """Serves the database for one test: `serve(read_only=True)`."""
    with ExitStack() as servers:
        yield lambda **options: servers.enter_context(serve_database(database_url, **options))
