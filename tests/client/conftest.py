"""A database with a runner, a server of it, and clients of both."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from holdwater import Client, DefaultRunner
from tests.server.conftest import database_url, live, runner
from tests.server.live import API_TOKEN, Live
from tests.suite.runners import define, gate

__all__ = ["database_url", "define", "gate", "live", "runner"]


@pytest.fixture(scope="module")
def remote(live: Live) -> Iterator[Client]:
    """A client of the server."""
    with Client(live.origin, api_key=API_TOKEN) as client:
        yield client


@pytest.fixture(scope="module")
def local(database_url: str, runner: DefaultRunner) -> Iterator[Client]:
    """A client of the database."""
    with Client(database_url) as client:
        yield client
