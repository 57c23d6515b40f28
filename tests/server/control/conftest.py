"""Tables of a server, empty for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from holdwater.server.control.database import ControlDatabase
from tests.postgres.cluster import Cluster

TABLES = "api_keys, sessions, tickets, audit, idempotency"


@pytest.fixture(scope="session")
def control_of_all_tests(postgres: Cluster) -> Iterator[ControlDatabase]:
    database = ControlDatabase(postgres.url())
    yield database
    database.close()


@pytest.fixture
def control(control_of_all_tests: ControlDatabase) -> ControlDatabase:
    control_of_all_tests.execute(f"TRUNCATE {TABLES}")
    return control_of_all_tests
