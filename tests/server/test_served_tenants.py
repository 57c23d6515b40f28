"""Tenants of a server: an engine each, made when a request needs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from holdwater.engine import Engine
from holdwater.errors import TenantNotFound
from holdwater.model.registry import Registry
from holdwater.operations.databases import Database
from holdwater.runtime.config import DriverConfig
from holdwater.server.control.database import ControlDatabase
from holdwater.server.served_tenants import ServedTenants
from holdwater.server.tenant_database import TenantDatabase
from holdwater.service.tenants.resources import TenantResources


@pytest.fixture
def control(new_schema: Callable[[], str]) -> Iterator[ControlDatabase]:
    database = ControlDatabase(new_schema())
    yield database
    database.close()


@pytest.fixture
def served(control: ControlDatabase, migrated_schema: Callable[[], str]) -> Iterator[ServedTenants]:
    url = migrated_schema()

    def make_tenant(name: str, resources: TenantResources) -> TenantDatabase:
        engine = Engine(url, DriverConfig(), registry=Registry())
        closing = ExitStack()
        closing.callback(engine.close, 0.0)
        return TenantDatabase(name, Database.of(engine), engine, closing)

    tenants = ServedTenants(control, make_tenant)
    yield tenants
    tenants.close()


def test_an_engine_is_made_by_the_first_request_and_ended_by_removal(served: ServedTenants) -> None:
    assert served.awake() == []
    first, second = served.borrow("public"), served.borrow("public")
    assert first is second
    assert served.awake() == ["public"]
    served.give_back(first)
    served.give_back(second)
    served.remove("public")
    assert served.awake() == []
    assert served.borrow("public") is not first


def test_a_tenant_that_is_not_served_is_not_found(served: ServedTenants) -> None:
    with pytest.raises(TenantNotFound):
        served.borrow("nobody")
