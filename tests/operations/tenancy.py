"""A server that wants passwords from everybody but its administrator, and logs every statement."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from holdwater.tenants import DatabaseAdmin, TenantConfig, TenantCredentials
from tests.postgres.cluster import Cluster

_ACCESS = """
host all postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
"""


@contextmanager
def password_protected_server() -> Iterator[Cluster]:
    cluster = Cluster()
    (cluster.directory / "data" / "pg_hba.conf").write_text(_ACCESS)
    with (cluster.directory / "data" / "postgresql.conf").open("a") as settings:
        settings.write("log_statement = 'all'\n")
    with cluster:
        yield cluster


def read_server_log(cluster: Cluster) -> str:
    return (cluster.directory / "log").read_text()


def fetch_rows(url: str, query: str, *parameters: Any) -> list[Any]:
    """The rows of a query, or none; `%s` are its parameters."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(query, parameters or None)
        return cursor.fetchall() if cursor.description else []


def list_tenant_traces(url: str) -> list[Any]:
    """What tenants leave traces in: schemas, relations, roles, memberships, rights."""
    return fetch_rows(
        url,
        """
        SELECT 'schema', nspname::TEXT, nspacl::TEXT FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp_'
        UNION ALL SELECT 'relation', relname::TEXT, relacl::TEXT FROM pg_class WHERE relkind IN ('r', 'v')
        UNION ALL SELECT 'role', rolname::TEXT, rolpassword FROM pg_authid
        UNION ALL SELECT 'member', roleid::REGROLE::TEXT, member::REGROLE::TEXT FROM pg_auth_members
        UNION ALL SELECT 'database', datname::TEXT, datacl::TEXT FROM pg_database
        UNION ALL SELECT 'default', defaclnamespace::REGNAMESPACE::TEXT, defaclacl::TEXT FROM pg_default_acl
        UNION ALL SELECT 'comment', objoid::TEXT, description FROM pg_description WHERE objoid > 16383
        ORDER BY 1, 2, 3
        """,
    )


def create_tenant(cluster: Cluster, name: str, password: str | None = None) -> TenantCredentials:
    """A tenant whose schema and role have this name."""
    with DatabaseAdmin(cluster.url()) as admin:
        return admin.create_tenant(TenantConfig(name, name, password))
