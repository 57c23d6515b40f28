"""What every package of tests can have: a PostgreSQL server, and places for runs on each database."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import hypothesis
import pytest

from tests.postgres.cluster import Cluster
from tests.postgres.schemas import Schemas
from tests.suite import reaper

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


@pytest.fixture(scope="session")
def schemas(postgres: Cluster) -> Schemas:
    return Schemas(postgres)


@pytest.fixture
def new_schema(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Makes an empty schema and gives the URL that leads to it."""
    return lambda: request.getfixturevalue("schemas").empty()


@pytest.fixture
def migrated_schema(request: pytest.FixtureRequest) -> Iterator[Callable[[], str]]:
    """Gives the URL of a schema with the tables of a new database; ten times as cheap, for what tests no migration."""
    lent: list[tuple[Schemas, str]] = []

    def lend() -> str:
        schemas: Schemas = request.getfixturevalue("schemas")
        lent.append((schemas, schemas.migrated()))
        return lent[-1][1]

    yield lend
    for schemas, url in lent:
        schemas.give_back(url)
