"""What every package of tests can have: a PostgreSQL server, and places for runs on each database."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from holdwater.model.registry import registry
from holdwater.model.triggers import triggers
from tests.postgres.cluster import Cluster
from tests.postgres.schemas import SchemaPool
from tests.suite import reaper
from tests.suite.effort import LONG

# a busy machine is no failure
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")

# A shell begins what it runs in the background with Ctrl-C ignored, and children inherit that: tests that interrupt
# their children would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


ABOVE_THE_STORE = {
    Path(__file__).parent / name
    for name in (
        "engine/test_bad_values.py",
        "engine/test_graphs.py",
        "engine/test_retry.py",
        "runners/tasks/test_default_runner.py",
        "runs/test_activity.py",
        "runs/test_follow.py",
        "runtime/executors/test_executors.py",
        "runtime/executors/test_routing.py",
        "runtime/services/children/test_calls.py",
        "runtime/services/children/test_identity.py",
        "runtime/services/test_deadlines.py",
        "runtime/services/test_retry_delays.py",
        "runtime/test_context_isolation.py",
        "runtime/test_exceptions.py",
        "runtime/test_logging.py",
    )
}
"""modules about what runners do with any store that keeps the contract; one in four of their tests runs on PostgreSQL
by default, and all of them with `-m long`"""


def pytest_configure() -> None:
    reaper.start()


@pytest.hookimpl(tryfirst=True)  # before those with a mark are deselected
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    functions = [item for item in items if isinstance(item, pytest.Function)]
    variants = [
        item for item in functions if hasattr(item, "callspec") and "postgresql" in item.callspec.params.values()
    ]
    for item in {*variants, *(item for item in functions if "postgres" in item.fixturenames)}:
        item.add_marker(pytest.mark.postgresql)
    for number, item in enumerate([item for item in variants if item.path in ABOVE_THE_STORE]):
        if number % 4:
            for mark in LONG:
                item.add_marker(mark)


@pytest.fixture(autouse=True)
def own_definitions() -> Iterator[None]:
    """Forget the workflows and triggers that a test has registered: every runner executes all that are known."""
    workflows, known_triggers = set(registry.names()), {known.name for known in triggers.list_triggers()}
    yield
    for name in set(registry.names()) - workflows:
        registry.unregister(name)
    for name in {known.name for known in triggers.list_triggers()} - known_triggers:
        triggers.unregister(name)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A server for this process's tests, started by the first that asks."""
    with Cluster() as server:
        yield server


@pytest.fixture(scope="session")
def schemas(postgres: Cluster) -> SchemaPool:
    return SchemaPool(postgres)


@pytest.fixture
def new_schema(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Makes an empty schema and gives the URL that leads to it."""
    return lambda: request.getfixturevalue("schemas").create_empty()


@pytest.fixture
def migrated_schema(request: pytest.FixtureRequest) -> Iterator[Callable[[], str]]:
    """Gives the URL of a schema with the tables of a new database; ten times as cheap, for what tests no migration."""
    lent: list[tuple[SchemaPool, str]] = []

    def lend() -> str:
        schemas: SchemaPool = request.getfixturevalue("schemas")
        lent.append((schemas, schemas.borrow_migrated()))
        return lent[-1][1]

    yield lend
    for schemas, url in lent:
        schemas.return_schema(url)
