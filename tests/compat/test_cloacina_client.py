"""The client library of Cloacina's server against ours, operation by operation."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from importlib import import_module
from typing import Any

import pytest

from holdwater.model.ids import new_run_id
from holdwater.model.time import Micros
from tests.postgres.cluster import Cluster
from tests.server.serving.conftest import create_database
from tests.server.serving.packages import archive, wait_for_state
from tests.server.serving.server_process import ServedHere, serve_here

cloacina_client = pytest.importorskip("cloacina_client", reason="cloacina-client is not installed")
TENANT = "compat_client"
UNKNOWN = new_run_id(Micros(1))


@pytest.fixture(scope="module")
def served(postgres: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedHere]:
    """A server; the tests ask it more often than its default rate allows."""
    home = tmp_path_factory.mktemp("served")
    with serve_here(create_database(postgres), home, requests_per_second=10_000.0, request_burst=10_000) as server:
        yield server


@pytest.fixture(scope="module")
def client(served: ServedHere) -> Iterator[Any]:
    opened = cloacina_client.Client(served.url, api_key=served.bootstrap_key, tenant=TENANT)
    yield opened
    opened.generated.get_httpx_client().close()


@pytest.fixture(scope="module", autouse=True)
def orders(served: ServedHere, client: Any) -> Iterator[Any]:
    """A tenant with a package; gives what the upload says."""
    client.create_tenant(TENANT, description="of the tests")
    uploaded = client.upload_workflow(archive())
    with served.client() as program:
        wait_for_state(program, uploaded.package_id, "active", tenant=TENANT)
    yield uploaded
    client.remove_tenant(TENANT)


def refusal(call: Any, *arguments: Any, **options: Any) -> tuple[int, str]:
    with pytest.raises(cloacina_client.CloacinaApiError) as refused:
        call(*arguments, **options)
    assert refused.value.message
    return refused.value.status, refused.value.code


def follow(server: ServedHere, execution_id: str) -> list[Any]:
    """Read the events of a run up to its end, as the asynchronous client delivers them."""

    async def read() -> list[Any]:
        opened = cloacina_client.AsyncClient(server.url, api_key=server.bootstrap_key, tenant=TENANT)
        found = []
        async with aclosing(opened.subscribe_delivery(f"exec_events:{execution_id}")) as pushes:
            async for push in pushes:
                found.append(push.payload_json())
                if found[-1]["event_type"] in ("workflow_completed", "workflow_failed"):
                    break
        await opened.generated.get_async_httpx_client().aclose()
        return found

    return asyncio.run(read())


def test_operational(client: Any) -> None:
    assert client.health() == {"status": "ok"}
    assert client.ready() == (200, {"status": "ready"})
    document = client.generated.get_httpx_client().get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")


def test_tenants(client: Any) -> None:
    made = client.create_tenant("compat_other", description="another one")
    assert (made.name, made.description) == ("compat_other", "another one")
    assert made.username
    listed = client.list_tenants()
    assert {TENANT, "compat_other"} <= {one.name for one in listed.items}
    assert listed.total == len(listed.items)
    removed = client.remove_tenant("compat_other")
    assert (removed.status, removed.schema_name) == ("removed", "compat_other")
    assert refusal(client.create_tenant, "no such name!")[0] == 400


def test_workflows(client: Any, orders: Any) -> None:
    assert orders.tenant_id == TENANT
    listed = client.list_workflows()
    (workflow,) = listed.items
    assert (listed.total, listed.tenant_id) == (1, TENANT)
    assert (workflow.package_name, workflow.workflow_name, workflow.version) == ("orders", "orders", "1.0")
    assert workflow.tasks == ["load", "save"]
    shown = client.get_workflow("orders")
    assert (shown.build_status, shown.paused) == ("success", False)
    assert {node.id: node.dependencies for node in shown.task_graph} == {"load": [], "save": ["load"]}
    source = client.get_workflow_source("orders")
    assert "def save" in "".join(one.contents for one in source.files)
    paused = client.pause_workflow("orders")
    assert (paused.name, paused.paused, paused.tenant_id) == ("orders", True, TENANT)
    assert refusal(client.execute_workflow, "orders") == (409, "workflow_paused")
    assert not client.resume_workflow("orders").paused
    assert refusal(client.get_workflow, "nothing") == (404, "workflow_not_found")
    assert refusal(client.upload_workflow, b"no archive") == (400, "upload_failed")


def test_an_unknown_version_is_deleted(client: Any) -> None:
    deleted = client.delete_workflow("orders", "9.9")
    assert (deleted.status, deleted.package_name, deleted.version) == ("deleted", "orders", "9.9")


def test_executions(served: ServedHere, client: Any) -> None:
    started = client.execute_workflow("orders", {"order_id": 17})
    assert (started.status, started.workflow_name, started.tenant_id) == ("scheduled", "orders", TENANT)
    run_id = started.execution_id
    followed = follow(served, run_id)
    detail = client.get_execution(run_id)
    assert (detail.execution_id, detail.status) == (run_id, "completed")
    events = client.get_execution_events(run_id)
    assert [one.id for one in events.events] == [one["id"] for one in followed]
    assert events.events[-1].event_type == "workflow_completed"
    tasks = client.get_execution_tasks(TENANT, run_id)
    assert [(one.task_name, one.status, one.attempt) for one in tasks.tasks] == [
        ("load", "completed", 1), ("save", "completed", 1),
    ]  # fmt: skip
    second = client.execute_workflow("orders", {"order_id": 18}).execution_id
    listed = client.list_executions(workflow="orders", limit=1)
    assert (listed.total, [one.id for one in listed.items]) == (1, [second])
    assert [one.id for one in client.iterate_executions(page_size=1)] == [second, run_id]
    assert run_id in [one.id for one in client.list_executions(status="Completed").items]
    assert refusal(client.execute_workflow, "nothing") == (404, "workflow_not_found")


def test_executions_that_are_not_there(client: Any) -> None:
    assert client.get_execution_events(UNKNOWN).events == []
    assert refusal(client.get_execution, UNKNOWN) == (404, "execution_not_found")
    assert refusal(client.get_execution, "no-uuid")[0] == 400
    assert refusal(client.get_execution_events, "no-uuid")[0] == 400


def test_triggers(served: ServedHere, client: Any) -> None:
    body = {"name": "nightly", "workflow_name": "orders", "cron_expression": "0 2 1 1 *"}
    with served.client() as program:
        assert program.post(f"/v1/tenants/{TENANT}/triggers", json=body).status_code == 201
    listed = client.list_triggers(limit=10, offset=0)
    (trigger,) = listed.items
    assert (trigger.trigger_name, trigger.schedule_type, trigger.enabled) == ("nightly", "cron", True)
    assert client.get_trigger("nightly").schedule.cron_expression == "0 2 1 1 *"
    assert client.pause_trigger("nightly").paused
    assert not client.resume_trigger("nightly").paused
    request = import_module("cloacina_client._generated.models").FireTriggerRequest(event={"order_id": 19})
    fired = client.fire_trigger("nightly", request)
    assert (fired.fired, fired.trigger, fired.tenant_id) == (1, "nightly", TENANT)
    assert fired.executions[0].workflow_name == "orders"
    assert refusal(client.get_trigger, "nothing") == (404, "trigger_not_found")


def test_what_is_not_offered(client: Any) -> None:
    assert client.list_graphs().items == []
    assert client.list_accumulators().items == []
    assert client.list_reactors().items == []
    assert refusal(client.get_graph, "x") == (404, "not_offered")
    assert refusal(client.list_accounts) == (404, "not_offered")
    assert refusal(client.list_agents) == (404, "not_offered")
    assert refusal(client.compiler_status) == (404, "not_offered")
    assert refusal(client.refresh) == (501, "oidc_disabled")


def test_keys(client: Any) -> None:
    me = client.whoami()
    assert (me.is_admin, me.role, me.tenant_id) == (True, "admin", None)
    made = client.create_key("ci", role="write")
    assert (made.name, made.permissions, made.is_admin) == ("ci", "write", False)
    assert made.key
    listed = client.list_keys()
    assert made.id in [one.id for one in listed.items if not one.revoked]
    assert listed.total == len(listed.items)
    revoked = client.revoke_key(made.id)
    assert (revoked.status, revoked.id) == ("revoked", made.id)
    assert refusal(client.revoke_key, UNKNOWN)[0] in (400, 404)
    tenants = client.create_tenant_key("reader", role="read")
    assert tenants.tenant_id == TENANT
    assert tenants.id in [one.id for one in client.list_tenant_keys().items]
    assert client.revoke_tenant_key(tenants.id).status == "revoked"
    ticket = client.create_ws_ticket()
    assert ticket.expires_in_seconds == 60
