"""The engine of a tenant on a server, with its packages."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from holdwater.operations.databases import Database
from holdwater.operations.releases import list_releases, remove_release
from holdwater.operations.starting import start_by_name
from holdwater.packages.registries.database import DatabaseWorkflowRegistry
from holdwater.packages.settings import PackageSettings
from holdwater.server.tenant_database import TenantDatabase
from holdwater.server.tenant_engine import TenantMaker
from holdwater.service.tenants.resources import TenantResources
from holdwater.storage import StoreOptions, open_store
from tests.packages.archive_files import OWN_MANIFEST, package
from tests.suite.waiting import wait_until

FLOWS = """
import os
from holdwater import WorkflowBuilder, task

with WorkflowBuilder("orders"):

    @task()
    def look(context):
        context["seen"] = {name: os.environ.get(name) for name in ("ALLOWED", "SECRET")}
"""
ENVIRONMENT = '\n[execution]\nenv = ["ALLOWED", "SECRET"]\n'


@pytest.fixture
def make(migrated_schema: Callable[[], str], tmp_path: Path) -> Iterator[Callable[..., TenantDatabase]]:
    """Opens tenants, each on a schema of its own, and one limit of hosts."""
    opened: list[TenantDatabase] = []
    makers: dict[str, TenantMaker] = {}

    def make_tenant(name: str, **settings: Any) -> TenantDatabase:
        maker = TenantMaker(migrated_schema(), tmp_path, PackageSettings(**settings), lambda tenant: False, 0.0)
        maker.budget = makers.setdefault("first", maker).budget
        opened.append(maker(name, TenantResources(store_options=StoreOptions(pool_size=2))))
        return opened[-1]

    yield make_tenant
    for tenant in opened:
        tenant.close()


def archive(flows: str = FLOWS) -> bytes:
    return package({"workflow/orders/flows.py": flows}, OWN_MANIFEST + ENVIRONMENT)


def registry_of(tenant: TenantDatabase) -> DatabaseWorkflowRegistry:
    return DatabaseWorkflowRegistry(tenant.engine.store, tenant.engine.clock)


def states(tenant: TenantDatabase) -> list[str]:
    return [info.state for info in list_releases(tenant.database)]


def test_a_package_is_executed_with_the_variables_that_are_allowed(
    make: Callable[..., TenantDatabase], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ALLOWED", "yes")
    monkeypatch.setenv("SECRET", "of the server")
    tenant = make("acme", env_allow=("ALLOWED",))
    registry_of(tenant).register(archive())
    Database.of(tenant.engine).on_releases_changed()
    wait_until(lambda: states(tenant) == ["active"])
    wait_until(lambda: tenant.database.store.get_workflow("orders"))
    started = start_by_name(tenant.engine, "orders")
    result = tenant.engine.wait_for_run(started.info.id)
    assert result.result["seen"].tree == {"ALLOWED": "yes", "SECRET": None}
    assert sorted(path.name for path in (tmp_path / "tenants").iterdir()) == ["acme"]
    assert (tmp_path / "hostlib").is_dir()
    remove_release(Database.of(tenant.engine), started.info.release or "")
    wait_until(lambda: states(tenant) == ["gone"])
    assert tenant.engine.store.get_archive(started.info.release or "") is None


def test_an_upload_elsewhere_is_taken_up_by_a_notification(make: Callable[..., TenantDatabase]) -> None:
    """Long before the next look at all packages."""
    tenant = make("acme")
    began = time.monotonic()
    elsewhere = open_store(tenant.engine.store.url)
    try:
        DatabaseWorkflowRegistry(elsewhere, tenant.engine.clock).register(archive())
        wait_until(lambda: states(tenant) == ["active"])
    finally:
        elsewhere.close()
    assert time.monotonic() - began < tenant.engine.driver.config.scan_interval_seconds


def test_two_tenants_draw_on_one_limit_of_hosts(make: Callable[..., TenantDatabase]) -> None:
    tenants = [make(name, max_hosts=1, idle_seconds=1e6) for name in ("acme", "zenith")]
    for tenant in tenants:
        registry_of(tenant).register(archive())
        Database.of(tenant.engine).on_releases_changed()
    for tenant in (*tenants, *tenants):
        wait_until(partial(tenant.database.store.get_workflow, "orders"))
        started = start_by_name(tenant.engine, "orders")
        assert tenant.engine.wait_for_run(started.info.id).status.value == "completed"
        wait_until(lambda: sum([len(one.executed.hosts()) for one in tenants]) <= 1)
