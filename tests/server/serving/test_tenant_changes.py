"""Settings of a tenant are changed, and its tables are brought to the version of the server."""

from __future__ import annotations

from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql

from holdwater.storage.options import StoreOptions
from holdwater.storage.postgres import schema
from holdwater.storage.postgres.server import PostgresServer
from tests.server.serving.packages import archive, execute, upload, wait_for_state
from tests.server.serving.server_process import ServedHere


def make_key(god: httpx.Client, role: str, tenant: str) -> str:
    made = god.post(f"/v1/tenants/{tenant}/keys", json={"name": role, "role": role})
    assert made.status_code == 201, made.text
    return str(made.json()["key"])


def test_what_is_left_out_of_a_change_stays(god: httpx.Client, tenant: str) -> None:
    path = f"/v1/tenants/{tenant}"
    before = god.get(path).json()
    assert (before["description"], before["require_signatures"]) == ("", None)
    expected = before
    changes: tuple[dict[str, Any], ...] = (
        {"description": "Orders <b>of</b> Acme"},
        {"require_signatures": True},
        {"description": "", "require_signatures": False},
        {"require_signatures": None},
        {"description": None},
        {},
    )
    for change in changes:
        kept = {name: value for name, value in change.items() if (name, value) != ("description", None)}
        expected = {**expected, **kept}
        changed = god.patch(path, json=change)
        assert (changed.status_code, changed.json()) == (200, expected), change
        assert god.get(path).json() == expected
    upload_status = upload(god, archive(), tenant=tenant).status_code
    god.patch(path, json={"require_signatures": True})
    refused = upload(god, archive(version="2.0"), tenant=tenant)
    assert (upload_status in (201, 202), refused.status_code, refused.json()["code"]) == (
        True, 403, "signature_required",
    )  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"description": "kept?", "username": "root"},
        {"description": "x" * 2001},
        {"description": 7},
        {"description": "a\0b"},
        {"require_signatures": "perhaps"},
        [],
        "text",
    ],
)
def test_changes_that_cannot_be(god: httpx.Client, tenant: str, change: object) -> None:
    before = god.get(f"/v1/tenants/{tenant}").json()
    refused = god.patch(f"/v1/tenants/{tenant}", json=change)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request"), refused.text
    assert god.get(f"/v1/tenants/{tenant}").json() == before


def test_only_administrators_change_a_tenant_and_only_those_of_the_server_upgrade_it(
    served: ServedHere, god: httpx.Client, tenant: str
) -> None:
    other = f"{tenant}_too"
    assert god.post("/v1/tenants", json={"name": other}).status_code == 201
    path, own = f"/v1/tenants/{tenant}", {"description": "by its own"}
    for role, status in (("read", 403), ("write", 403), ("admin", 200)):
        with served.client(make_key(god, role, tenant)) as client:
            assert client.patch(path, json=own).status_code == status, role
            assert client.post(f"{path}/upgrade").status_code == 403, role
            assert client.patch(f"/v1/tenants/{other}", json=own).status_code == 403, role
    with served.stranger() as stranger:
        assert stranger.patch(path, json=own).status_code == 401
        assert stranger.post(f"{path}/upgrade").status_code == 401
    assert god.get(path).json()["description"] == "by its own"
    assert god.get(f"/v1/tenants/{other}").json()["description"] == ""
    for method, below in (("PATCH", ""), ("POST", "/upgrade")):
        missing = god.request(method, f"/v1/tenants/no_such_tenant{below}", json=own if method == "PATCH" else None)
        assert (missing.status_code, missing.json()["code"]) == (404, "tenant_not_found"), method


def make_older(url: str, name: str, count: int) -> None:
    """Give an unused tenant the tables it had when there were `count` migrations."""
    with psycopg.connect(url, autocommit=True) as connection:
        place = sql.Identifier(name)
        (mark,) = connection.execute("SELECT obj_description(%s::regnamespace)", (name,)).fetchone() or ("",)
        connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(place))
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(place))
        connection.execute(sql.SQL("COMMENT ON SCHEMA {} IS {}").format(place, sql.Literal(mark)))
    server = PostgresServer.from_url(url, StoreOptions(schema=name))
    older = server.connect()
    schema.migrate(older, server, schema.MIGRATIONS[:count])
    older.close()
    grants = (
        "GRANT USAGE ON SCHEMA {0} TO {0}",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {0} TO {0}",
    )
    with psycopg.connect(url, autocommit=True) as connection:
        for grant in grants:
            connection.execute(sql.SQL(grant).format(sql.Identifier(name)))


@pytest.mark.parametrize("count", [2, len(schema.MIGRATIONS) - 1])
def test_tables_of_an_earlier_version_are_brought_up_to_date(
    served: ServedHere, god: httpx.Client, tenant: str, count: int
) -> None:
    path = f"/v1/tenants/{tenant}"
    assert god.post(f"{path}/upgrade").json() == {"schema_name": tenant, "upgraded": False}
    make_older(served.database_url, tenant, count)
    unavailable = god.get(f"{path}/executions")
    assert (unavailable.status_code, unavailable.json()["code"]) == (503, "tenant_unavailable"), unavailable.text
    assert "upgrade" in unavailable.json()["hint"]
    for upgraded in (True, False):
        answer = god.post(f"{path}/upgrade")
        assert (answer.status_code, answer.json()) == (200, {"schema_name": tenant, "upgraded": upgraded}), answer.text
    assert god.get(f"{path}/executions").json()["items"] == []
    made = upload(god, archive(), tenant=tenant).json()
    wait_for_state(god, made["package_id"], "active", tenant=tenant)
    assert execute(god, "orders", tenant=tenant)["status"] == "completed"
