"""Databases for servers, and one server that the tests of this folder share."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest

from tests.postgres.cluster import Cluster
from tests.server.serving.crossing import Marked, fill
from tests.server.serving.server_process import ServedHere, serve_here
from tests.suite.effort import LONG

_numbers = itertools.count()


def create_database(cluster: Cluster) -> str:
    """Make a database of its own: a server has schemas, roles and tables of its own in it; gives its URL."""
    name = f"served_{next(_numbers)}"
    with psycopg.connect(cluster.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return cluster.url(name)


@pytest.fixture
def new_database(postgres: Cluster) -> Callable[[], str]:
    """Makes an empty database and gives its URL."""
    return lambda: create_database(postgres)


@pytest.fixture(scope="package")
def served(postgres: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedHere]:
    """A server in this process, which tests share that do not disturb each other."""
    rates: dict[str, Any] = {"requests_per_second": 1e6, "request_burst": 1_000_000, "uploads_per_minute": 1e5}
    with serve_here(create_database(postgres), tmp_path_factory.mktemp("served"), **rates) as server:
        yield server


@pytest.fixture
def god(served: ServedHere) -> Iterator[httpx.Client]:
    """A program with the key of the administrator."""
    with served.client() as client:
        yield client


@pytest.fixture
def tenant(god: httpx.Client) -> str:
    """A tenant of its own."""
    name = f"acme_{next(_numbers)}"
    made = god.post("/v1/tenants", json={"name": name})
    assert made.status_code == 201, made.text
    return name


@pytest.fixture(scope="package", params=[2, pytest.param(12, marks=LONG)])
def tenants(served: ServedHere, request: pytest.FixtureRequest) -> list[Marked]:
    """Tenants with the same names of everything; what has a name may be changed, what has an id of its own stays."""
    with served.client() as god:
        return [fill(served, god, f"crossing_{request.param}_{k:02}") for k in range(request.param)]
