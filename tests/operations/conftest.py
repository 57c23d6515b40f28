from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from holdwater.tenants import DatabaseAdmin, TenantCredentials
from tests.operations import tenancy
from tests.postgres.cluster import Cluster


@pytest.fixture(scope="package")
def guarded() -> Iterator[Cluster]:
    """A server that wants the passwords of tenants."""
    with tenancy.password_protected_server() as cluster:
        yield cluster


@pytest.fixture
def admin(guarded: Cluster) -> Iterator[DatabaseAdmin]:
    """Whatever tenants a test makes are gone after it."""
    with DatabaseAdmin(guarded.url()) as admin:
        yield admin
        for tenant in admin.list_tenants():
            admin.remove_tenant(tenant.schema_name, tenant.username, force=True)


@pytest.fixture
def new_tenant(guarded: Cluster, admin: DatabaseAdmin) -> Callable[[str], TenantCredentials]:
    """Makes a tenant whose schema and role have the same name."""
    return lambda name: tenancy.create_tenant(guarded, name)
