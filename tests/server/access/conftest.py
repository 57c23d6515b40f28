from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from holdwater.server.control.database import ControlDatabase
from tests.postgres.schemas import SchemaPool
from tests.server.access.keyed_server import KeyedServer, ServeKeys, serve_keys


@pytest.fixture(scope="module")
def control(schemas: SchemaPool) -> Iterator[ControlDatabase]:
    database = ControlDatabase(schemas.create_empty())
    yield database
    database.close()


@pytest.fixture(scope="module")
def runs_url(schemas: SchemaPool) -> Iterator[str]:
    url = schemas.borrow_migrated()
    yield url
    schemas.return_schema(url)


@pytest.fixture(scope="module")
def keyed(control: ControlDatabase, runs_url: str) -> Iterator[KeyedServer]:
    """A server for the tests of a module, without limits that they could reach."""
    with serve_keys(control, runs_url) as served:
        yield served


@pytest.fixture
def serve(control: ControlDatabase, runs_url: str) -> Iterator[ServeKeys]:
    """Serves for one test: `serve(limits=...)`."""
    with ExitStack() as servers:
        yield lambda **options: servers.enter_context(serve_keys(control, runs_url, **options))
