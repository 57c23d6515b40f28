"""A server's login acts as the role of a tenant, so that PostgreSQL itself keeps it inside the tenant."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from holdwater.engine import Engine
from holdwater.errors import StoreUnusable
from holdwater.model.records import RunFilter
from holdwater.model.registry import Registry
from holdwater.runtime.config import DriverConfig
from holdwater.storage import StoreOptions
from holdwater.storage.postgres.store import PostgresStore
from holdwater.tenants import DatabaseAdmin, TenantConfig, TenantCredentials
from tests.operations.tenancy import fetch_rows
from tests.postgres.cluster import Cluster

NewTenant = Callable[[str], TenantCredentials]


def _roles_in_use(store: PostgresStore) -> list[tuple[str, str]]:
    with store._pool.connection() as connection:
        return connection.execute("SELECT session_user::TEXT, current_user::TEXT").fetchall()


@pytest.mark.parametrize("prepare_statements", [True, False])
def test_statements_are_executed_as_the_tenants_role(
    guarded: Cluster, new_tenant: NewTenant, *, prepare_statements: bool
) -> None:
    new_tenant("tenant_a")
    new_tenant("tenant_b")
    options = StoreOptions(schema="tenant_a", role="tenant_a", prepare_statements=prepare_statements)
    engine = Engine(guarded.url(), DriverConfig(), registry=Registry(), options=options)
    try:
        assert engine.store.count_runs(RunFilter()) == {}
        store = engine.store
        assert isinstance(store, PostgresStore)
        if prepare_statements:
            assert _roles_in_use(store) == [("postgres", "tenant_a")]
        with pytest.raises(StoreUnusable, match="permission denied"):
            store._select("SELECT count(*) FROM tenant_b.runs")
    finally:
        engine.close(0.0)


def test_the_maker_of_a_tenant_may_act_as_its_role(guarded: Cluster, admin: DatabaseAdmin) -> None:
    fetch_rows(guarded.url(), "CREATE ROLE serving LOGIN CREATEROLE PASSWORD 'secret'")
    fetch_rows(guarded.url(), "GRANT CREATE ON DATABASE postgres TO serving")
    url = f"postgresql://serving:secret@127.0.0.1:{guarded.port}/postgres"
    with DatabaseAdmin(url) as maker:
        maker.create_tenant(TenantConfig("tenant_c", "tenant_c"))
        try:
            store = PostgresStore(url, StoreOptions(schema="tenant_c", role="tenant_c"))
            assert _roles_in_use(store) == [("serving", "tenant_c")]
            store.close()
        finally:
            maker.remove_tenant("tenant_c", "tenant_c")
            fetch_rows(guarded.url(), "REVOKE CREATE ON DATABASE postgres FROM serving")
            fetch_rows(guarded.url(), "DROP ROLE serving")


def test_a_role_that_the_login_may_not_take_is_refused_in_words(guarded: Cluster, new_tenant: NewTenant) -> None:
    tenant = new_tenant("tenant_a")
    new_tenant("tenant_b")
    with pytest.raises(StoreUnusable, match="permission denied to set role"):
        PostgresStore(tenant.connection_string, StoreOptions(schema="tenant_b", role="tenant_b"))
    with pytest.raises(psycopg.errors.InsufficientPrivilege), psycopg.connect(tenant.connection_string) as connection:
        connection.execute("SET ROLE tenant_b")
