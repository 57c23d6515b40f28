"""What every package of tests can have: a PostgreSQL server, and places for runs on each database."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Callable, Iterator

import hypothesis
import pytest

from tests.postgres.cluster import Cluster
from tests.suite import reaper

_numbers = itertools.count()

# a busy machine is no failure
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")

# A shell begins what it runs in the background with Ctrl-C ignored, and children inherit that: tests that interrupt
# their children would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure() -> None:
    reaper.start()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A server for this process's tests, started by the first that asks."""
    with Cluster() as server:
        yield server


@pytest.fixture
def new_schema(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Makes an empty schema and gives the URL that leads to it."""

    def make() -> str:
        import psycopg

        server: Cluster = request.getfixturevalue("postgres")
        name = f"t_{next(_numbers)}"
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        return f"{server.url()}?options=-csearch_path%3D{name}"

    return make
